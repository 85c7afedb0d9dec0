import { assert } from "@std/assert";
import { join } from "@std/path";
import { AT_FDCWD, AT_SYMLINK_NOFOLLOW, S_IFBLK, S_IFCHR, S_IFIFO } from "../../ffi/constants.ts";
import { libcCall } from "../../ffi/table.ts";
import { run, succeed } from "./process.ts";
import { setXattr } from "./xattr.ts";

/** A name that is not UTF-8, and has a newline in it. */
const ODD_NAME = Uint8Array.of(0x6f, 0x64, 0x64, 0xff, 0xfe, 0x0a);

/** What setcap(8) writes for "cap_net_raw+ep": struct vfs_cap_data, revision 2. */
const CAPABILITY = Uint8Array.of(1, 0, 0, 2, 0, 0x20, ...new Array(14).fill(0));

/** Fills a folder with some of everything that a layer can hold. */
export async function makeTree(root: string): Promise<void> {
  const at = (path: string) => join(root, path);
  const deep = `${"d".repeat(120)}/${"e".repeat(120)}`;
  for (const path of ["dir/sub", "empty", "private", deep]) Deno.mkdirSync(at(path), { recursive: true });
  Deno.writeTextFileSync(at("dir/file"), "some text\n");
  Deno.writeTextFileSync(at("dir/empty file"), "");
  Deno.writeFileSync(at("dir/sub/large"), crypto.getRandomValues(new Uint8Array(65536)));
  // more than dhow reads at once, and no multiple of anything
  await succeed(["sh", "-c", 'head -c 5000001 /dev/urandom >"$0"', at("dir/larger")]);
  for (const path of ["setuid", "owned", `${deep}/file`, "n".repeat(255)]) {
    Deno.writeTextFileSync(at(path), path);
  }
  Deno.linkSync(at("dir/file"), at("dir/sub/link to file"));
  Deno.symlinkSync("../dir/file", at("empty/symlink"));
  Deno.symlinkSync("t".repeat(200), at("long symlink"));
  Deno.symlinkSync("nowhere", at("owned symlink"));
  libcCall("linkat", AT_FDCWD, at("owned symlink"), AT_SYMLINK_NOFOLLOW, at("dir/link to symlink"), 0);
  libcCall("mknodat", AT_FDCWD, at("device"), S_IFCHR, 0x100000 + (7 << 8) + 3); // 7, 259
  libcCall("mknodat", AT_FDCWD, at("block"), S_IFBLK, (8 << 8) + 1);
  libcCall("mknodat", AT_FDCWD, at("fifo"), S_IFIFO, 0);
  libcCall(
    "mkdirat",
    AT_FDCWD,
    new Uint8Array([...new TextEncoder().encode(`${root}/`), ...ODD_NAME]),
    0o755,
  );
  await setAttributes(at);
}

async function setAttributes(at: (path: string) => string): Promise<void> {
  await succeed(["chown", "-h", "1000:1001", at("owned"), at("dir/sub")]);
  await succeed(["chown", "-h", "65534:4294967294", at("private"), at("device"), at("owned symlink")]);
  const modes = {
    setuid: "4755",
    "dir/sub": "2770",
    empty: "1777",
    private: "700",
    fifo: "622",
    "dir/larger": "0",
    "dir/empty file": "666",
  };
  for (const [path, mode] of Object.entries(modes)) await succeed(["chmod", mode, at(path)]);
  const value = Uint8Array.of(0, 1, 10, 61, 255);
  setXattr(at("dir/file"), "user.binary", value);
  setXattr(at("dir"), "user.of-a-directory", value);
  setXattr(at("owned"), "security.capability", CAPABILITY);
  setXattr(at("owned symlink"), "trusted.of-a-symlink", value);
  await succeed(["find", at("."), "-exec", "touch", "-h", "-d", "@1600000000.123456789", "{}", "+"]);
  await succeed(["touch", "-d", "1960-01-01T00:00:00.5Z", at("dir/sub/large"), at("dir")]);
}

/**
 * Everything about a folder that tar knows of, as one text of bytes: equal for equal trees.
 * @param attributes whether extended attributes and fractions of seconds count too
 */
export async function describeTree(root: string, attributes = true): Promise<Uint8Array> {
  const format = attributes
    // without what differs from one run of tar to the next
    ? [
      "--format=pax",
      "--pax-option=exthdr.name=x,delete=atime,delete=ctime",
      "--xattrs",
      "--xattrs-include=*",
    ]
    : ["--format=gnu"];
  const { code, bytes, stderr } = await run([
    "tar",
    "-C",
    root,
    "--sort=name",
    "--numeric-owner",
    ...format,
    "-c",
    ".",
  ]);
  if (code !== 0) throw new Error(`tar of ${root}: ${stderr}`);
  return bytes;
}

/** @throws {AssertionError} when two descriptions differ */
export function assertSameTree(actual: Uint8Array, expected: Uint8Array): void {
  // not assertEquals: what it has to say about megabytes takes minutes
  const isSame = actual.length === expected.length && actual.every((byte, index) => byte === expected[index]);
  assert(isSame, "the trees differ");
}
