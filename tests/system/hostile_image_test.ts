import { assertEquals } from "@std/assert";
import { runArchive } from "../support/containers.ts";
import { archive } from "../support/image.ts";
import { busyboxLayer } from "../support/images.ts";
import type { Host } from "../support/host.ts";
import { systemTest } from "../support/system_test.ts";
import type { TarEntry } from "../support/tar.ts";

const FOLDER = "/run/host/files/victim";

/**
 * Runs an image whose paths, that dhow mounts or writes, are links to the host's files. It may run or be refused; the
 * host's files must be as they were.
 */
async function attack(host: Host, entries: readonly TarEntry[]): Promise<void> {
  await host.shell(`mkdir ${FOLDER} && echo untouched >${FOLDER}/file && chmod 600 ${FOLDER}/file`);
  const listing = `cd ${FOLDER} && ls -ldn . && ls -lRAn --time-style=full-iso && cat file`;
  const before = await host.shell(listing);
  const image = archive({ layers: [[...busyboxLayer(), ...entries]] });
  for (const flags of [[], ["--userns"], ["-w", "/work/dir"], ["-t"]]) {
    const { stdout, stderr, code } = await runArchive(host, image, ["cat", `${FOLDER}/file`], flags);
    // in a terminal, errors come there as well
    assertEquals(flags.includes("-t") ? stdout.includes("untouched") : stdout !== "", false, stdout);
    assertEquals([0, 1, 125, 126, 127].includes(code), true, stderr);
    assertEquals(await host.shell(listing), before);
  }
}

for (const prefix of ["", "../../../../../.."]) {
  const kind = prefix === "" ? "an absolute link" : "a link through ..";

  for (const name of ["proc", "sys", "dev", "etc"]) {
    systemTest(`an image whose /${name} is ${kind} to the host does not reach the host`, async (host) => {
      await attack(host, [{ path: name, type: "symlink", target: `${prefix}${FOLDER}` }]);
    });
  }

  for (const name of ["hosts", "hostname", "resolv.conf", "passwd", "group"]) {
    systemTest(`an image whose /etc/${name} is ${kind} to the host does not reach the host`, async (host) => {
      await attack(host, [
        { path: "etc/", type: "directory" },
        { path: `etc/${name}`, type: "symlink", target: `${prefix}${FOLDER}/file` },
      ]);
    });
  }

  systemTest(
    `an image whose working directory is ${kind} to the host does not reach the host`,
    async (host) => {
      await attack(host, [{ path: "work", type: "symlink", target: `${prefix}${FOLDER}` }]);
    },
  );
}

systemTest("an image whose /etc/passwd is a fifo or a device does not hold dhow up", async (host) => {
  for (const type of ["fifo", "character"] as const) {
    const passwd: TarEntry = { path: "etc/passwd", type, major: 1, minor: 5 };
    const image = archive({
      layers: [[...busyboxLayer(), { path: "etc/", type: "directory" }, passwd]],
      config: { User: "app" },
    });
    const { code } = await runArchive(host, image, ["true"]);
    assertEquals(code, 125);
  }
});

systemTest("an image whose /etc/hosts is a fifo does not hold dhow up", async (host) => {
  const entries: TarEntry[] = ["hosts", "hostname", "resolv.conf"].map((name) => ({
    path: `etc/${name}`,
    type: "fifo",
  }));
  const image = archive({ layers: [[...busyboxLayer(), { path: "etc/", type: "directory" }, ...entries]] });
  const { stdout, code } = await runArchive(host, image, ["echo", "ran"]);
  assertEquals([code === 0 ? stdout : "ran\n"], ["ran\n"]);
});
