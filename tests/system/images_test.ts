import { assertEquals, assertMatch } from "@std/assert";
import { assertFailure, assertSuccess, busyboxOutput, runArchive } from "../support/containers.ts";
import { busyboxArchive, busyboxLayer, busyboxWith } from "../support/images.ts";
import { archive } from "../support/image.ts";
import { DHOW, type Host } from "../support/host.ts";
import { systemTest } from "../support/system_test.ts";

const CONFIG = { Cmd: ["cat", "/etc/passwd", "/file"] };
const LAYERS = [
  [...busyboxLayer(), { path: "etc/passwd", content: "passwd\n" }, { path: "file", content: "below\n" }],
  [{ path: "file", content: "above\n" }],
];

async function output(host: Host, image: Uint8Array, command: string[] = []): Promise<string> {
  const result = await runArchive(host, image, command);
  assertSuccess(result);
  return result.stdout;
}

systemTest("an archive of docker save runs", async (host) => {
  const seen = await busyboxOutput(host, ["cat", "/etc/passwd", "/var/www/index.html"]);
  assertMatch(seen, /^root:x:0:0:root[^]*hello from a container\n$/);
});

for (const layout of ["legacy", "oci"] as const) {
  for (const gzip of [false, true]) {
    systemTest(
      `an archive in the ${layout} layout with ${gzip ? "gzip" : "plain"} layers runs`,
      async (host) => {
        assertEquals(
          await output(host, archive({ layers: LAYERS, config: CONFIG, layout, gzip })),
          "passwd\nabove\n",
        );
      },
    );
  }
}

systemTest("a path is taken as it is written, relative to the working directory too", async (host) => {
  const path = await host.write("image.tar", archive({ layers: LAYERS, config: CONFIG }));
  for (const name of ["./image.tar", "../files/image.tar", path]) {
    const result = await host.dhow(["run", "--network", "none", name], { cwd: host.file("") });
    assertEquals([result.stdout, result.stderr], ["passwd\nabove\n", ""]);
  }
});

systemTest("what was loaded is listed, and runs by its name, with and without the tag", async (host) => {
  const path = await host.write(
    "image.tar",
    archive({ layers: LAYERS, config: CONFIG, tags: ["app:1.2", "app:latest"] }),
  );
  const loaded = await host.dhow(["load", "-q", "-i", path]);
  assertEquals([loaded.code, loaded.stdout, loaded.stderr], [
    0,
    "Loaded image: app:1.2\nLoaded image: app:latest\n",
    "",
  ]);
  const { stdout: table } = await host.dhow(["images"]);
  assertMatch(table, /^REPOSITORY +TAG +IMAGE ID +CREATED +SIZE\n/);
  assertMatch(table, /^app +1\.2 +[0-9a-f]{12} +.+ +\d\S+\n?/m);
  assertMatch(table, /^app +latest +[0-9a-f]{12} /m);
  for (const name of ["app", "app:latest", "app:1.2"]) {
    const result = await host.dhow(["run", "--network", "none", name]);
    assertEquals([result.stdout, result.stderr], ["passwd\nabove\n", ""]);
  }
  const { stdout: ids } = await host.dhow(["images", "-q"]);
  assertMatch(ids, /^[0-9a-f]{12}\n/);
  const byId = await host.dhow(["run", "--network", "none", ids.slice(0, 12)]);
  assertEquals(byId.stdout, "passwd\nabove\n");
});

systemTest("load without -i reads standard input", async (host) => {
  const path = await host.write("image.tar", archive({ layers: LAYERS, config: CONFIG }));
  assertEquals(await host.shell(`${DHOW} load -q <${path}`), "Loaded image: test:latest\n");
  assertEquals(await host.shell(`cat ${path} | ${DHOW} load -q`), "Loaded image: test:latest\n");
});

const SKOPEO = "skopeo --insecure-policy copy -q docker-archive:image.tar";

/** Other formats than docker's, made from the same image, and how to name them. */
const FORMATS: readonly (readonly [what: string, make: string, name: string])[] = [
  ["an OCI layout", `${SKOPEO} oci:layout:x/app:1`, "./layout"],
  ["an OCI layout with zstd layers", `${SKOPEO} --dest-compress-format zstd oci:layout:1`, "oci:layout:1"],
  ["an OCI archive", `${SKOPEO} oci-archive:oci.tar:x/app:1`, "./oci.tar"],
  ["a folder of skopeo's", `${SKOPEO} dir:folder`, "dir:folder"],
  ["an archive compressed with gzip", "gzip image.tar", "./image.tar.gz"],
  ["an archive compressed with zstd", "zstd -q --rm image.tar", "./image.tar.zst"],
];

for (const [what, make, name] of FORMATS) {
  systemTest(`${what} runs, and is explained truly`, async (host) => {
    const cwd = host.file("");
    await host.write("image.tar", archive({ layers: LAYERS, config: CONFIG }));
    await host.shell(`cd ${cwd}; ${make}`);
    const result = await host.dhow(["run", "--network", "none", name], { cwd });
    assertEquals([result.stdout, result.stderr], ["passwd\nabove\n", ""]);
    const explained = await host.dhow(["explain", "run", "--network", "none", name], { cwd });
    assertSuccess(explained);
    const byHand = await host.run(["sh", await host.write("explained.sh", explained.stdout)]);
    assertEquals([byHand.stdout, byHand.stderr], ["passwd\nabove\n", ""]);
  });
}

systemTest("what comes through a fifo runs, but cannot be explained", async (host) => {
  const path = await host.write("image.tar", archive({ layers: LAYERS, config: CONFIG }));
  const fifo = host.file("fifo");
  const through = (args: string) =>
    host.run([
      "sh",
      "-c",
      `mkfifo ${fifo}; cat ${path} >${fifo} & ${DHOW} ${args} ${fifo}; code=$?; rm ${fifo}; exit $code`,
    ]);
  const result = await through("run --network none");
  assertEquals([result.stdout, result.stderr], ["passwd\nabove\n", ""]);
  assertFailure(await through("explain run"), 125, /comes through a pipe/);
});

systemTest("a name moves to the image that was loaded last", async (host) => {
  for (const word of ["first", "second"]) {
    const path = await host.write("image.tar", archive({ layers: LAYERS, config: { Cmd: ["echo", word] } }));
    await host.dhow(["load", "-q", "-i", path]);
  }
  assertEquals((await host.dhow(["run", "--network", "none", "test"])).stdout, "second\n");
});

systemTest(
  "a layer is kept once, however many images share it and however often they run",
  async (host) => {
    const layers = () => [...Deno.readDirSync(host.path("/var/lib/dhow/layers"))].length;
    const images = [
      archive({ layers: LAYERS, config: CONFIG, tags: ["one:1"] }),
      archive({ layers: LAYERS, config: { Cmd: ["true"] }, tags: ["other:1"], layout: "oci" }),
    ];
    for (const image of images) {
      assertSuccess(await host.dhow(["load", "-q", "-i", await host.write("image.tar", image)]));
      assertEquals(layers(), 2);
    }
    for (const name of ["one:1", "other:1", "one:1"]) {
      assertSuccess(await host.dhow(["run", "--network", "none", name]));
    }
    assertEquals(layers(), 2);
  },
);

systemTest("an archive that was replaced by another is read anew", async (host) => {
  for (const word of ["first", "second"]) {
    const image = archive({ layers: LAYERS, config: { Cmd: ["echo", word] } });
    assertEquals(await output(host, image), `${word}\n`);
  }
});

systemTest("an image of several names is loaded with all of them", async (host) => {
  const one = archive({ layers: LAYERS, config: CONFIG, tags: ["one:latest", "two:latest"] });
  const path = await host.write("image.tar", one);
  await host.dhow(["load", "-q", "-i", path]);
  const { stdout } = await host.dhow(["images"]);
  assertEquals([/^one /m.test(stdout), /^two /m.test(stdout)], [true, true]);
});

systemTest("an image without a name can be run by its id", async (host) => {
  const path = await host.write("image.tar", busyboxWith({ Cmd: ["echo", "nameless"] }, { tags: [] }));
  const { stdout } = await host.dhow(["load", "-q", "-i", path]);
  const [, id = ""] = stdout.match(/^Loaded image ID: (sha256:[0-9a-f]{64})\n$/) ?? [];
  assertEquals((await host.dhow(["run", "--network", "none", id])).stdout, "nameless\n");
  assertMatch((await host.dhow(["images"])).stdout, /^<none> +<none> /m);
});

systemTest("an image without shell, /etc or /tmp runs its program", async (host) => {
  const layers = [[busyboxLayer()[1]!]]; // the program alone
  assertEquals(await output(host, archive({ layers }), ["/bin/busybox", "echo", "alone"]), "alone\n");
});

systemTest("--root keeps everything below one folder", async (host) => {
  const flags = ["--root", host.file("elsewhere")];
  const result = await host.dhow([
    ...flags,
    "run",
    await busyboxArchive(),
    "ping",
    "-c",
    "1",
    "-W",
    "5",
    "web.example.test",
  ]);
  assertSuccess(result);
  assertEquals((await host.dhow(["images", "-q"])).stdout, "");
  assertEquals([...Deno.readDirSync(host.path("/run"))].some(({ name }) => name === "dhow"), false);
});
