import { Arena } from "../../ffi/arena.ts";
import {
  AT_FDCWD,
  AT_SYMLINK_NOFOLLOW,
  O_CREAT,
  O_EXCL,
  O_WRONLY,
  S_IFBLK,
  S_IFCHR,
  S_IFIFO,
} from "../../ffi/constants.ts";
import { CallTable, libcCall } from "../../ffi/table.ts";
import { type ByteString, encodeText, toBytes } from "../../src/image/tar/byte_string.ts";
import type { Tree, TreeNode } from "./random_tree.ts";
import { run, succeed } from "./process.ts";

/** Brings a tree onto the disk. Needs root. @param folder is made, and becomes the tree's root */
export function writeTree(folder: string, tree: Tree): void {
  const at = (path: ByteString) => toBytes(`${encodeText(folder)}/${path}`);
  const made = new Map<TreeNode, ByteString>();
  for (const [path, node] of tree) {
    const first = made.get(node);
    if (first !== undefined) {
      libcCall("linkat", AT_FDCWD, at(first), AT_FDCWD, at(path), 0);
    } else {
      make(at(path), node);
      if (node.kind !== "directory") made.set(node, path);
    }
  }
  // from the end, so that nothing is made in a directory after its time was set
  for (const [path, node] of [...tree].reverse()) setAttributes(at(path), node);
}

function make(path: Uint8Array, node: TreeNode): void {
  switch (node.kind) {
    case "directory":
      libcCall("mkdirat", AT_FDCWD, path, 0o755);
      break;
    case "symlink":
      libcCall("symlinkat", toBytes(node.target), AT_FDCWD, path);
      break;
    case "file":
      writeFile(path, node);
      break;
    default: {
      const [major, minor] = node.device;
      const type = { fifo: S_IFIFO, char: S_IFCHR, block: S_IFBLK }[node.kind];
      // makedev(3)
      const device = major * 0x100 + (minor & 0xff) + (minor & ~0xff) * 0x1000;
      libcCall("mknodat", AT_FDCWD, path, type | 0o600, device);
    }
  }
}

function writeFile(path: Uint8Array, { size, pieces }: TreeNode): void {
  const fd = libcCall("openat", AT_FDCWD, path, O_CREAT | O_EXCL | O_WRONLY, 0o600);
  try {
    const file = Deno.openSync(`/proc/self/fd/${fd}`, { write: true });
    try {
      for (const [offset, bytes] of pieces) {
        file.seekSync(offset, Deno.SeekMode.Start);
        for (let done = 0; done < bytes.length;) done += file.writeSync(bytes.subarray(done));
      }
      file.truncateSync(size);
    } finally {
      file.close();
    }
  } finally {
    libcCall("close", fd);
  }
}

/** In this order: a new owner takes away setuid and capabilities. */
function setAttributes(path: Uint8Array, node: TreeNode): void {
  const arena = new Arena(1 << 16);
  try {
    const table = new CallTable(arena, 8);
    table.call("fchownat", [AT_FDCWD, path, node.uid, node.gid, AT_SYMLINK_NOFOLLOW]);
    if (node.kind !== "symlink") table.call("fchmodat", [AT_FDCWD, path, node.mode, 0]);
    for (const [name, value] of node.xattrs) {
      table.call("lsetxattr", [path, name, arena.data(value), value.length, 0]);
    }
    const time = node.mtime.map(BigInt);
    const times = new Uint8Array(BigInt64Array.from([...time, ...time]).buffer);
    table.call("utimensat", [AT_FDCWD, path, arena.data(times), AT_SYMLINK_NOFOLLOW]);
    table.run();
  } finally {
    arena.release();
  }
}

/** What a file system says of one name. */
export interface Description {
  readonly path: string;
  readonly type: number;
  /** Of anything but a symlink. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Nanoseconds since 1970. */
  readonly mtime: string;
  readonly size: number;
  readonly device: number;
  readonly target: string;
  /** Values in hexadecimal. */
  readonly xattrs: Record<string, string>;
  readonly hash: string;
  /** The first name of the same file. */
  readonly first: string;
}

const DESCRIBE = `
import hashlib, json, os, stat, sys
root = os.fsencode(sys.argv[1])
paths = [root]
for folder, folders, files in os.walk(root):
    paths += [os.path.join(folder, name) for name in folders + files]
first = {}
for path in sorted(paths):
    found = os.lstat(path)
    type = stat.S_IFMT(found.st_mode)
    is_file, is_link = type == stat.S_IFREG, type == stat.S_IFLNK
    name = path[len(root):].decode("latin-1")
    names = os.listxattr(path, follow_symlinks=False)
    xattrs = {name: os.getxattr(path, name, follow_symlinks=False).hex() for name in sorted(names)}
    xattrs.pop("security.selinux", None)
    print(json.dumps({
        "path": name,
        "type": type,
        "mode": 0 if is_link else stat.S_IMODE(found.st_mode),
        "uid": found.st_uid,
        "gid": found.st_gid,
        "mtime": str(found.st_mtime_ns),
        "size": found.st_size if is_file or is_link else 0,
        "device": found.st_rdev,
        "target": os.readlink(path).decode("latin-1") if is_link else "",
        "xattrs": xattrs,
        "hash": hashlib.sha1(open(path, "rb").read()).hexdigest() if is_file else "",
        "first": name if type == stat.S_IFDIR else first.setdefault((found.st_dev, found.st_ino), name),
    }))
`;

/** Describes all below a folder, in the order of the paths; by python's hand, not dhow's. */
export async function describe(folder: string): Promise<Description[]> {
  const lines = await succeed(["python3", "-c", DESCRIBE, folder]);
  return lines.trimEnd().split("\n").map((line) => JSON.parse(line));
}

/** Makes a tar of the folder `tree` in a folder. */
export type Packer = (folder: string, file: string) => Promise<void>;

const GNU = ["--numeric-owner", "--sort=name"];

/** @throws {Error} when the tar does not hold all */
async function pack(argv: readonly string[]): Promise<void> {
  const { code, stderr } = await run(argv);
  // bsdtar leaves out what it cannot write, says so, and ends with 0; of names that are not UTF-8 it only complains
  const complaints = stderr.replace(/Can't translate .*? to UTF-8/gs, "").replace(/[:\s]/g, "");
  if (code !== 0 || complaints !== "") throw new Error(`${argv.join(" ")}: exit code ${code}\n${stderr}`);
}

export const gnuTar = (...options: string[]): Packer => (folder, file) =>
  pack(["tar", "-C", folder, ...GNU, ...options, "-cf", file, "tree"]);

export const bsdTar = (...options: string[]): Packer => (folder, file) =>
  pack(["bsdtar", "-C", folder, "--numeric-owner", ...options, "-cf", file, "tree"]);

/** tarfile takes times from floats, which are not exact, and no attributes: so it is told them. */
const TARFILE = `
import os, sys, tarfile
folder, file, format = sys.argv[1], sys.argv[2], getattr(tarfile, sys.argv[3] + "_FORMAT")
def exact(info):
    path = os.path.join(folder, info.name)
    time = os.lstat(path).st_mtime_ns
    info.mtime = time // 10**9
    if format != tarfile.PAX_FORMAT: return info
    info.pax_headers = {"mtime": "%s%d.%09d" % ("-" if time < 0 else "", abs(time) // 10**9, abs(time) % 10**9)}
    for name in os.listxattr(path, follow_symlinks=False):
        value = os.getxattr(path, name, follow_symlinks=False)
        info.pax_headers["SCHILY.xattr." + name] = value.decode("utf-8", "surrogateescape")
    return info
with tarfile.open(file, "w", format=format) as tar:
    tar.add(os.path.join(folder, "tree"), "tree", filter=exact)
`;

export const pythonTar = (format: "PAX" | "GNU" | "USTAR"): Packer => (folder, file) =>
  pack(["python3", "-c", TARFILE, folder, file, format]);
