import { assert, assertEquals } from "@std/assert";
import { join } from "@std/path";
import { AT_FDCWD } from "../../ffi/constants.ts";
import { libcCall } from "../../ffi/table.ts";
import { succeed } from "../support/process.ts";
import { type Store, storeTest } from "../support/store.ts";
import type { TarEntry } from "../support/tar.ts";

const BYTES = new TextEncoder();

/** A name that is not UTF-8. */
const ODD_NAME = Uint8Array.of(0x6f, 0x64, 0x64, 0xff, 0xfe, 0x0a);

/** A folder with some of everything that a layer can hold. */
async function makeTree(root: string): Promise<void> {
  const at = (path: string) => join(root, path);
  for (const path of ["dir/sub", "empty", "private"]) Deno.mkdirSync(at(path), { recursive: true });
  Deno.writeTextFileSync(at("dir/file"), "some text\n");
  Deno.writeTextFileSync(at("dir/empty file"), "");
  Deno.writeFileSync(at("dir/sub/large"), crypto.getRandomValues(new Uint8Array(65536)));
  // larger than what dhow reads at once, and not a multiple of anything
  await succeed(["sh", "-c", 'head -c 5000001 /dev/urandom >"$0"', at("dir/larger")]);
  Deno.writeTextFileSync(at("setuid"), "x");
  Deno.writeTextFileSync(at("owned"), "y");
  Deno.writeTextFileSync(at("n".repeat(255)), "a name as long as Linux takes");
  Deno.mkdirSync(at(`${"d".repeat(120)}/${"e".repeat(120)}`), { recursive: true });
  Deno.writeTextFileSync(at(`${"d".repeat(120)}/${"e".repeat(120)}/deep`), "deep");
  Deno.linkSync(at("dir/file"), at("dir/sub/link to file"));
  Deno.symlinkSync("../dir/file", at("empty/symlink"));
  Deno.symlinkSync("t".repeat(200), at("long symlink"));
  Deno.symlinkSync("nowhere", at("owned symlink"));
  Deno.linkSync(at("owned symlink"), at("link to symlink"));
  libcCall("mknodat", AT_FDCWD, at("device"), 0o020640, 0x100000 + (7 << 8) + 3); // 7, 259
  libcCall("mknodat", AT_FDCWD, at("block"), 0o060600, (8 << 8) + 1);
  libcCall("mknodat", AT_FDCWD, at("fifo"), 0o010622, 0);
  libcCall("mkdirat", AT_FDCWD, new Uint8Array([...BYTES.encode(`${root}/`), ...ODD_NAME]), 0o755);
  const value = Uint8Array.of(0, 1, 10, 61, 255);
  // "CAP_NET_RAW+ep", as setcap(8) writes it: struct vfs_cap_data of revision 2
  const capability = Uint8Array.of(1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
  setXattr(at("dir/file"), "user.binary", value);
  setXattr(at("owned"), "security.capability", capability);
  setXattr(at("dir"), "user.of-a-directory", BYTES.encode("text"));
  setXattr(at("owned symlink"), "trusted.of-a-symlink", value);
  for (const [path, uid, gid] of [["owned", 1000, 1001], ["private", 65534, 4294967294], ["device", 5, 6]] as const) {
    Deno.chownSync(at(path), uid, gid);
  }
  libcCall("fchownat", AT_FDCWD, at("owned symlink"), 12, 34, 0x100);
  setXattr(at("owned"), "security.capability", capability); // chown took it away
  for (const [path, mode] of [["setuid", 0o4755], ["dir/sub", 0o2770], ["empty", 0o1777], ["private", 0o700]] as const) {
    Deno.chmodSync(at(path), mode);
  }
  await succeed(["find", root, "-exec", "touch", "-h", "-d", "@1600000000.123456789", "{}", "+"]);
  Deno.utimeSync(at("dir"), 5, 5);
  await succeed(["touch", "-d", "1960-01-01T00:00:00.5Z", at("dir/sub/large")]);
}

function setXattr(path: string, name: string, value: Uint8Array): void {
  libcCall("lsetxattr", path, name, new Uint8Array([...value, 0]).subarray(0, 0).length, 0, 0);
}
