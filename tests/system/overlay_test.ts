import { assertEquals } from "@std/assert";
import { assertSuccess, runArchive } from "../support/containers.ts";
import { archive } from "../support/image.ts";
import { busyboxArchive, busyboxLayer } from "../support/images.ts";
import type { Host } from "../support/host.ts";
import { systemTest } from "../support/system_test.ts";
import type { TarEntry } from "../support/tar.ts";
import { setXattr } from "../support/xattr.ts";

async function shell(
  host: Host,
  layers: readonly (readonly TarEntry[])[],
  script: string,
  flags: string[] = [],
): Promise<string> {
  const result = await runArchive(host, archive({ layers: [busyboxLayer(), ...layers] }), [
    "sh",
    "-euc",
    script,
  ], flags);
  assertSuccess(result);
  return result.stdout;
}

for (const flags of [[], ["--userns"]]) {
  const how = flags.length === 0 ? "" : " with --userns";

  systemTest(`an image of 128 layers runs${how}, and the topmost file wins`, async (host) => {
    const layers = Array.from({ length: 127 }, (_, index): TarEntry[] => [
      { path: "data/", type: "directory" },
      { path: `data/${index}`, content: "" },
      { path: "last", content: `${index}\n` },
    ]);
    assertEquals(await shell(host, layers, "ls /data | wc -l; cat /last", flags), "127\n126\n");
  });

  systemTest(`whiteouts hide what is below them, and only that${how}`, async (host) => {
    const layers: TarEntry[][] = [
      [{ path: "a/", type: "directory" }, { path: "a/gone", content: "" }, { path: "a/kept", content: "" }, {
        path: "b",
        content: "",
      }],
      [{ path: "a/.wh.gone", content: "" }, { path: ".wh.b", content: "" }],
      [{ path: "b/", type: "directory" }, { path: "b/new", content: "" }],
    ];
    assertEquals(await shell(host, layers, "find /a /b | sort", flags), "/a\n/a/kept\n/b\n/b/new\n");
  });

  systemTest(`an opaque folder hides all that is below it${how}`, async (host) => {
    const layers: TarEntry[][] = [
      [{ path: "a/", type: "directory" }, { path: "a/old", content: "" }, {
        path: "a/sub/",
        type: "directory",
      }, { path: "a/sub/old", content: "" }],
      [{ path: "a/", type: "directory" }, { path: "a/.wh..wh..opq", content: "" }, {
        path: "a/new",
        content: "",
      }],
      [{ path: "a/newer", content: "" }],
    ];
    assertEquals(await shell(host, layers, "find /a | sort", flags), "/a\n/a/new\n/a/newer\n");
  });
}

systemTest("files have the owners, modes, times and links of the image", async (host) => {
  const layers: TarEntry[][] = [[
    { path: "suid", content: "", mode: 0o4751, uid: 12, gid: 34, mtime: 1_000_000_000 },
    { path: "sticky/", type: "directory", mode: 0o3770, uid: 1, gid: 2 },
    { path: "hard", type: "hardlink", target: "suid" },
    { path: "soft", type: "symlink", target: "../../etc/passwd" },
    { path: "pipe", type: "fifo", mode: 0o600 },
    { path: "zero", type: "character", major: 1, minor: 5, mode: 0o644 },
  ]];
  const format = "%n %F %a %u:%g %Y %h %t,%T";
  const seen = await shell(
    host,
    layers,
    `cd /; stat -c '${format}' suid sticky hard pipe zero | sort; readlink soft`,
  );
  assertEquals(
    seen,
    [
      "hard regular empty file 4751 12:34 1000000000 2 0,0",
      "pipe fifo 600 0:0 1700000000 1 0,0",
      "sticky directory 3770 1:2 1700000000 2 0,0",
      "suid regular empty file 4751 12:34 1000000000 2 0,0",
      "zero character special file 644 0:0 1700000000 1 1,5",
      "../../etc/passwd",
      "",
    ].join("\n"),
  );
});

systemTest("a container can change, rename, delete and replace files of every layer", async (host) => {
  const layers: TarEntry[][] = [
    [{ path: "a/", type: "directory" }, { path: "a/one", content: "1" }, { path: "a/two", content: "2" }],
    [{ path: "a/three", content: "3" }],
  ];
  const script = "cd /a; echo x >>one; rm two; mv three four; ln one five; rm -r /bin/find; cat *; ls";
  assertEquals(await shell(host, layers, script), "1x\n31x\nfive\nfour\none\n");
});

systemTest(
  "containers that run at once have the same layers below, and do not see each other's changes",
  async (host) => {
    const script = "echo $0 >/mine; cat /mine";
    const archivePath = await busyboxArchive();
    const outputs = await Promise.all(
      ["one", "two", "three"].map((word) =>
        host.dhow(["run", "--network", "none", archivePath, "sh", "-c", script, word])
      ),
    );
    assertEquals(
      outputs.map(({ stdout }) => stdout),
      ["one\n", "two\n", "three\n"],
    );
  },
);

/** Attributes in overlay's own language, on a folder and a file, in both of its dialects. */
function overlayAttributes(path: string): Record<string, string> {
  const values = { opaque: "y", redirect: path, metacopy: "", origin: "x", "overlay.opaque": "y" };
  return Object.fromEntries(
    ["trusted", "user"].flatMap((dialect) =>
      Object.entries(values).map(([name, value]) => [`SCHILY.xattr.${dialect}.overlay.${name}`, value])
    ),
  );
}

for (const flags of [[], ["--userns"]]) {
  for (const globals of [[], ["--storage", "unpacked"]]) {
    const how = [...globals, ...flags].join(" ") || "no options";
    systemTest(`an image's attributes say nothing to overlay, with ${how}`, async (host) => {
      const layers: TarEntry[][] = [
        [
          { path: "d/", type: "directory" },
          { path: "d/below", content: "" },
          { path: "secret/", type: "directory" },
          { path: "secret/key", content: "key" },
        ],
        [
          { path: "d/", type: "directory", pax: overlayAttributes("/secret") },
          { path: "file", content: "own", pax: overlayAttributes("/secret/key") },
        ],
      ];
      const path = await host.write("image.tar", archive({ layers: [busyboxLayer(), ...layers] }));
      const command = ["run", "--network", "none", ...flags, path, "sh", "-c", "ls /d; cat /file"];
      const result = await host.dhow([...globals, ...command]);
      assertEquals([result.stdout, result.stderr], ["below\nown", ""]);
      const explained = await host.dhow([...globals, "explain", ...command]);
      const byHand = await host.run(["sh", await host.write("explained.sh", explained.stdout)]);
      assertEquals([byHand.stdout, byHand.stderr], [result.stdout, ""]);
    });
  }
}

systemTest("overlay follows no reference to another path, even if a layer's folder has one", async (host) => {
  const layers: TarEntry[][] = [
    [{ path: "secret/", type: "directory" }, { path: "secret/key", content: "" }],
    [{ path: "d/", type: "directory" }],
  ];
  const image = archive({ layers: [busyboxLayer(), ...layers], tags: ["box:latest"] });
  await host.dhow(["--storage", "unpacked", "load", "-q", "-i", await host.write("image.tar", image)]);
  const folder = (await host.shell("ls -d /var/lib/dhow/layers/*/d")).trim();
  setXattr(host.path(folder), "trusted.overlay.redirect", new TextEncoder().encode("/secret"));
  const run = ["--storage", "unpacked", "run", "--network", "none", "box"];
  // EPERM: overlay refuses to look, rather than show what it was not told to
  const { stdout } = await host.dhow([...run, "sh", "-c", "ls /d 2>&1; ls /secret"]);
  assertEquals(stdout, "ls: /d: Operation not permitted\nkey\n");
});
