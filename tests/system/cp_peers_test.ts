import { assertEquals } from "@std/assert";
import { join } from "@std/path";
import { Docker } from "../support/docker.ts";
import { archive } from "../support/image.ts";
import { succeed } from "../support/process.ts";
import { type Store, storeTest } from "../support/store.ts";

const IMAGE = archive({
  tags: ["tree:1"],
  config: { Cmd: ["/none"] },
  layers: [[
    { path: "d/", type: "directory", mode: 0o750, uid: 3, gid: 4 },
    { path: "d/file", content: "one\n", mode: 0o640, uid: 5, gid: 6, mtime: 1_500_000_000 },
    { path: "d/link", type: "symlink", target: "file" },
    { path: "d/sub/", type: "directory", mode: 0o700 },
    { path: "d/sub/x", content: "x\n" },
    { path: "e/", type: "directory" },
    { path: "to-d", type: "symlink", target: "/d" },
    { path: "to-file", type: "symlink", target: "d/file" },
    { path: "to-nothing", type: "symlink", target: "/nowhere" },
  ]],
});

/** `it:` is the container, `@` a folder of the host in which `in/file`, `in/l` (a link to it), `in/sub/y` and `there/` are. */
const CASES: readonly (readonly string[])[] = [
  ["it:/d", "@/new"],
  ["it:/d", "@/there"],
  ["it:/d/.", "@/there"],
  ["it:/d/", "@/there"],
  ["it:d/file", "@/there"],
  ["it:/d/file", "@/there/other"],
  ["it:/d/file", "@/none/other"],
  ["it:/d/file", "@/none/"],
  ["it:/d", "@/in/file"],
  ["it:/to-d", "@/link"],
  ["-L", "it:/to-d", "@/there"],
  ["-L", "it:/to-file", "@/there"],
  ["it:/to-nothing", "@/there"],
  ["-L", "it:/to-nothing", "@/there"],
  ["it:/none", "@/there"],
  ["it:/d/file/", "@/there"],
  ["@/in", "it:/e"],
  ["@/in/.", "it:/e"],
  ["@/in", "it:/new"],
  ["@/in", "it:/none/new"],
  ["@/in/file", "it:/e"],
  ["@/in/file", "it:/e/other"],
  ["@/in/file", "it:/d/file"],
  ["@/in/file", "it:/to-file"],
  ["@/in/file", "it:/to-d"],
  ["@/in/file", "it:/none/"],
  ["@/in/file", "it:/d/file/"],
  ["@/in", "it:/d/file"],
  ["@/in/l", "it:/e"],
  ["-L", "@/in/l", "it:/e"],
  ["@/none", "it:/e"],
  ["@/in", "@/there"],
  ["it:/d", "it:/e"],
];

interface Outcome {
  readonly succeeded: boolean;
  /** What is on the host and in the container afterwards. */
  readonly host: string;
  readonly container: string;
}

type Cli = (...args: string[]) => Promise<{ code: number; stdout: string; stderr: string }>;

async function outcome(store: Store, name: string, cli: Cli, args: readonly string[]): Promise<Outcome> {
  const folder = store.file(name);
  await succeed([
    "sh",
    "-euc",
    'mkdir -p "$0/in/sub" "$0/there"; cd "$0/in"; echo new >file; echo y >sub/y; ln -s file l; chown 7:8 file',
    folder,
  ]);
  await cli("create", "--name", "it", "tree:1");
  try {
    const { code } = await cli("cp", ...args.map((word) => word.replace(/^@/, folder)));
    const list =
      "find . -mindepth 1 -printf '%P %y %m %U:%G %l\\n' | grep -Ev '^(dev|proc|sys|etc)|dockerenv' | sort";
    const host = await succeed(["sh", "-euc", `cd "$0"; ${list}`, folder]);
    await succeed(["mkdir", join(folder, "all")]);
    const tar = store.file(`${name}.tar`);
    await cli("export", "-o", tar, "it");
    const container = await succeed([
      "sh",
      "-euc",
      `cd "$0"; tar -xpf "$1"; ${list}`,
      join(folder, "all"),
      tar,
    ]);
    return { succeeded: code === 0, host, container };
  } finally {
    await cli("rm", "it");
    await Deno.remove(folder, { recursive: true });
  }
}

storeTest("cp does with files and folders what docker does", async (store) => {
  await using docker = await Docker.start();
  const path = store.write("tree.tar", IMAGE);
  for (
    const loaded of [
      await docker.docker("load", "-q", "-i", path),
      await store.dhow("load", "-q", "-i", path),
    ]
  ) {
    assertEquals(loaded.code, 0, loaded.stderr);
  }
  const found: string[] = [];
  for (const args of CASES) {
    const [theirs, ours] = await Promise.all([
      outcome(store, "docker", (...words) => docker.docker(...words), args),
      outcome(store, "dhow", (...words) => store.dhow(...words), args),
    ]);
    if (JSON.stringify(theirs) !== JSON.stringify(ours)) {
      found.push(`${args.join(" ")}\n${JSON.stringify(theirs, null, 1)}\n${JSON.stringify(ours, null, 1)}`);
    }
  }
  assertEquals(found.join("\n"), "");
});
