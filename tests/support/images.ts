import { join } from "@std/path";
import { REPOSITORY } from "./host.ts";
import { archive, type ImageOptions, type ProcessConfig, sha256 } from "./image.ts";
import { succeed } from "./process.ts";
import type { TarEntry } from "./tar.ts";

const BUSYBOX = "/bin/busybox";
const MAKE_ARCHIVE = join(REPOSITORY, "scripts/make-archive");

let made: Promise<string> | undefined;

/**
 * A real `docker save` archive of a busybox image, busybox:latest. It takes a dockerd to make, so it is made once for each
 * busybox and each version of the script.
 */
export function busyboxArchive(): Promise<string> {
  made ??= makeArchive();
  return made;
}

async function makeArchive(): Promise<string> {
  const key = sha256(new TextEncoder().encode(
    sha256(await Deno.readFile(MAKE_ARCHIVE)) + sha256(await Deno.readFile(BUSYBOX)),
  )).slice(0, 12);
  const path = join(REPOSITORY, `.toolchain/test-images/busybox-${key}.tar`);
  await Deno.mkdir(join(REPOSITORY, ".toolchain/test-images"), { recursive: true });
  // two test processes at once: one makes it, the other waits
  await succeed(["flock", `${path}.lock`, "sh", "-euc", `[ -e "$0" ] || sh "$1" "$0"`, path, MAKE_ARCHIVE]);
  return path;
}

/** The static busybox and some of its commands: enough of a root file system to run a shell. */
export function busyboxLayer(commands: readonly string[] = COMMANDS): TarEntry[] {
  return [
    { path: "bin/", type: "directory" },
    { path: "bin/busybox", content: Deno.readFileSync(BUSYBOX), mode: 0o755 },
    ...commands.map((name): TarEntry => ({ path: `bin/${name}`, type: "symlink", target: "busybox" })),
    { path: "tmp/", type: "directory", mode: 0o1777 },
  ];
}

const COMMANDS = [
  "cat",
  "dd",
  "echo",
  "env",
  "false",
  "find",
  "id",
  "kill",
  "ls",
  "mount",
  "ping",
  "ps",
  "pwd",
  "sh",
]
  .concat([
    "sleep",
    "sort",
    "stat",
    "touch",
    "true",
    "wc",
    "wget",
    "readlink",
    "hostname",
    "grep",
    "head",
    "ip",
  ]);

/** An archive of busybox with a config of its own. */
export function busyboxWith(config: ProcessConfig, options: Partial<ImageOptions> = {}): Uint8Array {
  const passwd = "root:x:0:0:root:/root:/bin/sh\napp:x:1000:1001:app:/home/app:/bin/sh\n";
  const group = "root:x:0:\napp:x:1001:\nextra:x:2000:app\nother:x:3000:\n";
  return archive({
    layers: [[
      ...busyboxLayer(),
      { path: "etc/", type: "directory" },
      { path: "etc/passwd", content: passwd },
      { path: "etc/group", content: group },
    ]],
    config,
    ...options,
  });
}
