import { assertEquals, assertMatch } from "@std/assert";
import { join } from "@std/path";
import { assertFailure, assertSuccess, busyboxShell, runArchive, runBusybox } from "../support/containers.ts";
import { detachedTest } from "../support/detached.ts";
import { Docker } from "../support/docker.ts";
import type { Host } from "../support/host.ts";
import { archive } from "../support/image.ts";
import { busyboxLayer } from "../support/images.ts";
import { succeed } from "../support/process.ts";
import { systemTest } from "../support/system_test.ts";
import type { TarEntry } from "../support/tar.ts";

/** Path in the container, type, numbers in hexadecimal, mode, owner. */
const SHOW = "stat -c '%n %F %t:%T %a %u:%g'";

/** The commands that make devices in a folder; of loop devices only the nodes are looked at. */
const makingDevices = (folder: string) => `
  rm -rf ${folder} && mkdir -p ${folder}/snd/deep ${folder}/empty && cd ${folder}
  mknod -m 640 snd/kmsg c 1 11; chown 7:8 snd/kmsg
  mknod -m 660 snd/deep/disk b 7 300; chown 0:6 snd/deep/disk
  mknod -m 600 snd/zero c 1 5
  echo text >snd/text; ln -s kmsg snd/link
  mkfifo fifo; ln -s snd/kmsg linked; ln -s snd folder
`;

/** Devices on the host. @returns their folder */
async function makeDevices(host: Host): Promise<string> {
  const folder = host.file("dev");
  await host.shell(makingDevices(folder));
  return folder;
}

const EXPECTED = [
  "/dev/snd/deep/disk block special file 7:12c 660 0:6",
  "/dev/snd/kmsg character special file 1:b 640 7:8",
  "/dev/snd/zero character special file 1:5 600 0:0",
];

systemTest(
  "--device gives a container the node, with numbers, mode and owner of the host's",
  async (host) => {
    const folder = await makeDevices(host);
    for (const source of ["snd", "folder"]) {
      const all = await busyboxShell(host, `find /dev/snd ! -type d | sort | xargs ${SHOW}`, [
        ...["--device", `${folder}/${source}:/dev/snd`],
      ]);
      assertEquals(all.trim().split("\n"), EXPECTED);
    }
    const flags = ["--device", `${folder}/linked:/dev/one`, "--device", `${folder}/linked:/opt/a/two:r`];
    assertEquals(
      await busyboxShell(host, `${SHOW} /dev/one /opt/a/two; : >/dev/one && echo opened`, flags),
      "/dev/one character special file 1:b 640 7:8\n/opt/a/two character special file 1:b 640 7:8\nopened\n",
    );
    // what all containers have gives way; its access does not
    const zero = await busyboxShell(host, `${SHOW} /dev/null /dev/zero; head -c 2 /dev/null | od -t d1`, [
      ...["-i", "--device", `${folder}/snd/zero:/dev/null`],
    ]);
    assertMatch(zero, /^\/dev\/null .* 1:5 600 0:0\n\/dev\/zero .* 1:5 666 0:0\n0000000 +0 +0\n/);
  },
);

systemTest("in a user namespace --device gives a container the host's own node", async (host) => {
  const folder = await makeDevices(host);
  const flags = [
    "--userns",
    "--device",
    `${folder}/snd:/dev/snd`,
    "--device",
    `${folder}/snd/zero:/opt/a/zero`,
  ];
  assertEquals(
    await busyboxShell(
      host,
      "find /dev/snd ! -type d | sort; head -c 2 /opt/a/zero | od -A n -t d1; stat -c '%t:%T %a' /opt/a/zero",
      flags,
    ),
    "/dev/snd/deep/disk\n/dev/snd/kmsg\n/dev/snd/zero\n    0    0\n1:5 600\n",
  );
  const inode = (await host.shell(`stat -c %i ${folder}/snd/kmsg`)).trim();
  assertEquals(await busyboxShell(host, "stat -c %i /dev/snd/kmsg", flags), `${inode}\n`);
});

systemTest("--device says what is no device, and where there is no place for it", async (host) => {
  const folder = await makeDevices(host);
  const gathering = /^dhow: error gathering device information while adding custom device "[^"]*": /;
  for (
    const [device, why] of [
      [`${folder}/snd/text`, /not a device node/],
      [`${folder}/fifo:/dev/x`, /not a device node/],
      [`${folder}/empty:/dev/x`, /not a device node/],
      [`${folder}/nosuch:/dev/x`, /no such file or directory/],
      [`${folder}/snd/text/x:/dev/x`, /not a directory/],
    ] as const
  ) {
    assertFailure(await runBusybox(host, ["true"], ["--device", device]), 125, gathering, why);
  }
  for (const place of ["/etc/passwd", "/bin", "/dev/pts", "/dev/stdin"]) {
    assertFailure(
      await runBusybox(host, ["true"], ["--device", `${folder}/snd/zero:${place}`]),
      125,
      /cannot (make the device|mount over) "\/\S+"/,
    );
  }
});

/** Files of the host that an image's links point at: they must be as they were. */
const FOLDER = "/run/host/files/victim";

async function attack(host: Host, entries: readonly TarEntry[], place: string, runs: boolean): Promise<void> {
  const folder = await makeDevices(host);
  await host.shell(`mkdir -p ${FOLDER} && echo untouched >${FOLDER}/file && chmod 600 ${FOLDER}/file`);
  const listing = `cd ${FOLDER} && ls -ldn . && ls -lRAn --time-style=full-iso && cat file`;
  const before = await host.shell(listing);
  const image = archive({ layers: [[...busyboxLayer(), ...entries]] });
  for (const flags of [[], ["--userns"]]) {
    const device = ["--device", `${folder}/snd/kmsg:${place}`];
    const output = await runArchive(host, image, ["sh", "-c", `[ -c ${place} ] && echo made`], [
      ...flags,
      ...device,
    ]);
    if (runs) {
      assertSuccess(output);
      assertEquals(output.stdout, "made\n");
    } else if (flags.length === 0) {
      assertFailure(output, 125, /something else|is a link or of the wrong type/);
    }
    assertEquals(await host.shell(listing), before, flags.join(" "));
  }
}

for (const prefix of ["", "../../../../../.."]) {
  const kind = prefix === "" ? "absolute" : "through ..";

  systemTest(`a device below a link of the image is made in its root only (${kind})`, async (host) => {
    const links: TarEntry[] = [
      { path: `${FOLDER.slice(1)}/`, type: "directory" },
      { path: "opt", type: "symlink", target: `${prefix}${FOLDER}` },
    ];
    await attack(host, links, "/opt/device", true);
    await host.shell(`rm -r ${FOLDER}`);
    await attack(host, links, "/opt/deep/device", true);
  });

  systemTest(`a device takes the place of nothing that an image has there (${kind})`, async (host) => {
    for (const path of ["file", "nosuch", ""]) {
      const link: TarEntry = { path: "opt/device", type: "symlink", target: `${prefix}${FOLDER}/${path}` };
      await attack(host, [{ path: "opt/", type: "directory" }, link], "/opt/device", false);
    }
  });
}

systemTest("another device of the image is not taken for the one that was asked for", async (host) => {
  const opt: TarEntry = { path: "opt/", type: "directory" };
  const other: TarEntry = { path: "opt/device", type: "character", major: 1, minor: 5, mode: 0o640 };
  await attack(host, [opt, other], "/opt/device", false);
  await attack(host, [opt, { ...other, type: "block", minor: 11 }], "/opt/device", false);
});

detachedTest(
  "a container that is started again has its devices again, wherever they are",
  async (it, host) => {
    const folder = await makeDevices(host);
    const flags = ["--device", `${folder}/snd/kmsg:/opt/kmsg`, "--device", `${folder}/snd/kmsg:/dev/other`];
    const container = await it.start(["sleep", "1000"], flags);
    const shown =
      "/opt/kmsg character special file 1:b 640 7:8\n/dev/other character special file 1:b 640 7:8";
    assertEquals(await it.dhow("exec", container, "sh", "-c", `${SHOW} /opt/kmsg /dev/other`), shown);
    await it.dhow("restart", "-t", "0", container);
    assertEquals(await it.dhow("exec", container, "sh", "-c", `${SHOW} /opt/kmsg /dev/other`), shown);
  },
);

systemTest("what a user mounts in /dev is left as it is", async (host) => {
  const folder = await makeDevices(host);
  const listing = `cd ${folder} && ls -lRAn`;
  await host.shell(`cp -a /dev/null /dev/zero ${folder}`);
  const before = await host.shell(listing);
  const device = ["--device", `${folder}/snd/zero:/dev/snd/kmsg2`];
  const all = await busyboxShell(host, "ls /dev/snd", ["-v", `${folder}:/dev`, ...device]);
  assertEquals(all.includes("kmsg2"), false);
  assertEquals(await host.shell(listing), before);
  // the same device may be there already: it keeps its owner
  assertEquals(
    await busyboxShell(host, `${SHOW} /dev/snd/kmsg`, [
      ...["-v", `${folder}/snd:/dev/snd`],
      ...["--device", `${folder}/snd/kmsg:/dev/snd/kmsg`],
    ]),
    "/dev/snd/kmsg character special file 1:b 640 7:8\n",
  );
  assertEquals(await host.shell(listing), before);
});

detachedTest(
  "--device gives the nodes that it gives in docker, and fails where it fails",
  async (it, host) => {
    await using docker = await Docker.start();
    const image = await docker.loadBusybox();
    const folder = await makeDevices(host);
    const theirs = join(docker.folder, "dev");
    await succeed(["sh", "-euc", makingDevices(theirs)]);
    const list =
      "find /dev /opt -path /dev/pts -prune -o \\( -type b -o -type c \\) -exec stat -c '%n %F %t:%T %a %u:%g' {} + | sort";
    const common = ["run", "--rm", "--network", "none", "-i"]; // without it, dhow wants a null device as /dev/null
    for (
      const device of [
        ...[
          "snd/kmsg:/dev/one",
          "linked:/dev/one:r",
          "snd:/dev/snd",
          "folder:/dev/other:rw",
          "snd/zero:/opt/a/b",
        ],
        ...["snd/zero:/dev/null", "snd/text:/dev/x", "empty:/dev/x", "nosuch:/dev/x", "fifo:/dev/x"],
      ]
    ) {
      const command = ["sh", "-c", `mkdir -p /opt; ${list}`];
      const inDocker = await docker.docker(...common, "--device", `${theirs}/${device}`, image, ...command);
      const inDhow = await host.dhow([...common, "--device", `${folder}/${device}`, "busybox", ...command]);
      assertEquals([device, inDhow.stdout], [device, inDocker.stdout]);
      assertEquals([device, inDhow.code === 0], [device, inDocker.code === 0], inDocker.stderr);
    }
    assertEquals(await it.dhow("ps", "-aq"), "");
  },
);
