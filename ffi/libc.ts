/**
 * The one place that opens libc. Functions are not bound one by one: their addresses go into call tables (table.ts),
 * which the walker (machine_code.ts) works through, here or in a child.
 */
import { MAP_ANONYMOUS, MAP_PRIVATE, MAP_SHARED, PROT_EXEC, PROT_READ, PROT_WRITE } from "./constants.ts";
import { tableWalker } from "./machine_code.ts";

/** Functions of libc that tables may call. Each returns an int, or a count that stays below 2 GiB. */
const FUNCTIONS = [
  "bind",
  "chdir",
  "chroot",
  "clone",
  "close",
  "dup3",
  "execve",
  "faccessat",
  "fchdir",
  "fchmod",
  "fchmodat",
  "fchown",
  "fchownat",
  "fcntl",
  "ftruncate",
  "futimens",
  "getdents64",
  "getpgid",
  "getsockname",
  "getsockopt",
  "getxattr",
  "if_nametoindex",
  "inotify_add_watch",
  "inotify_init1",
  "ioctl",
  "kill",
  "lgetxattr",
  "linkat",
  "listen",
  "listxattr",
  "lseek",
  "lsetxattr",
  "memcmp",
  "mkdirat",
  "mount",
  "nanosleep",
  "openat",
  "pipe2",
  "pivot_root",
  "poll",
  "prctl",
  "pread",
  "prlimit",
  "pwrite",
  "read",
  "readlinkat",
  "renameat",
  "sethostname",
  "setns",
  "setrlimit",
  "setsid",
  "setsockopt",
  "sigaction",
  "sigprocmask",
  "socket",
  "statx",
  "symlinkat",
  "syscall",
  "umask",
  "umount2",
  "unlinkat",
  "unshare",
  "utimensat",
  "wait4",
  "write",
] as const;

export type LibcFunction = (typeof FUNCTIONS)[number];

/**
 * dlsym(3) is all that is bound here, the rest is looked up when it is first used. Only its address is taken: for a
 * function, Deno would compile a trampoline, which costs every start half a millisecond. Before glibc 2.34 it is in libdl.
 */
function openDlsym() {
  const address = (library: string) =>
    Deno.dlopen(library, { dlsym: { type: "pointer", optional: true } }).symbols.dlsym;
  const definition = { parameters: ["usize", "buffer"], result: "usize" } as const;
  const pointer = address("libc.so.6") ?? address("libdl.so.2");
  return new Deno.UnsafeFnPointer(pointer as Deno.PointerObject<typeof definition>, definition);
}

const dlsym = openDlsym();
const RTLD_DEFAULT = 0n;
const known = new Map<string, number>();

/**
 * The address of a libc function.
 * @throws {Error} when this libc has none of that name
 */
export function functionAddress(name: LibcFunction | "__errno_location"): number {
  let address = known.get(name);
  if (address === undefined) {
    address = Number(symbolAddress(name));
    known.set(name, address);
  }
  return address;
}

/** Where a function of libc lies, or a variable. @throws {Error} when this libc has none of that name */
export function symbolAddress(name: string): bigint {
  const address = dlsym.call(RTLD_DEFAULT, new TextEncoder().encode(`${name}\0`));
  if (address === 0n) throw new Error(`libc has no function ${name}`);
  return address;
}

/** A function that is called directly, without a table: errno is lost. */
function bind<const Definition extends Deno.ForeignFunction>(name: string, definition: Definition) {
  const pointer = Deno.UnsafePointer.create(symbolAddress(name)) as Deno.PointerObject<Definition>;
  return new Deno.UnsafeFnPointer(pointer, definition);
}

const mmap = bind("mmap", {
  parameters: ["usize", "usize", "i32", "i32", "i32", "i64"],
  result: "pointer",
});
const mprotect = bind("mprotect", { parameters: ["pointer", "usize", "i32"], result: "i32" });
const munmap = bind("munmap", { parameters: ["usize", "usize"], result: "i32" });

const MAP_FAILED = 2n ** 64n - 1n;

/** Maps anonymous memory (mmap(2)). @throws {Error} when the kernel refuses. */
function map(size: number, flags: number): NonNullable<Deno.PointerValue> {
  const pointer = mmap.call(0n, BigInt(size), PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS, -1, 0n);
  if (pointer === null || Deno.UnsafePointer.value(pointer) === MAP_FAILED) {
    throw new Error(`cannot map ${size} bytes of memory (mmap)`);
  }
  return pointer;
}

/** Memory outside V8's heap: where it lies, and a view of it. */
export interface MappedMemory {
  readonly address: number;
  readonly buffer: ArrayBuffer;
}

/**
 * Memory that this process and its children share (mmap(2), MAP_SHARED), filled with zeros.
 * @param size in bytes
 */
export function mapShared(size: number): MappedMemory {
  const pointer = map(size, MAP_SHARED);
  return {
    address: Number(Deno.UnsafePointer.value(pointer)),
    buffer: Deno.UnsafePointerView.getArrayBuffer(pointer, size),
  };
}

/** Undoes mapShared. The view must not be touched any more. */
export function unmap(address: number, size: number): void {
  munmap.call(BigInt(address), BigInt(size));
}

let lseek: Deno.UnsafeFnPointer<{ parameters: ["i32", "i64", "i32"]; result: "i64" }> | undefined;

/**
 * lseek(2), for positions beyond the 2 GiB that a call table can tell.
 * @returns the new position, or -1 when it failed; why is lost
 */
export function seek(fd: number, offset: number, whence: number): number {
  lseek ??= bind("lseek", { parameters: ["i32", "i64", "i32"], result: "i64" });
  return Number(lseek.call(fd, BigInt(offset), whence));
}

const code = tableWalker();
const codePointer = map(code.length, MAP_PRIVATE);
new Uint8Array(Deno.UnsafePointerView.getArrayBuffer(codePointer, code.length)).set(code);
if (Deno.build.arch === "aarch64") {
  // An arm64 CPU may still execute what its instruction cache holds from before the write. Linux puts that right in
  // mprotect, but does not promise to, and once left anonymous memory out. Deno links libgcc_s, so it is there.
  const { symbols } = Deno.dlopen("libgcc_s.so.1", {
    __clear_cache: { parameters: ["usize", "usize"], result: "void" },
  });
  const start = Deno.UnsafePointer.value(codePointer);
  symbols.__clear_cache(start, start + BigInt(code.length));
}
// Written first, made executable afterwards: never both at once.
if (mprotect.call(codePointer, BigInt(code.length), PROT_READ | PROT_EXEC) !== 0) {
  throw new Error("cannot make the table walker executable (mprotect); does a security module forbid it?");
}

/** The walker's own address, for clone(2). */
export const walkerAddress = Number(Deno.UnsafePointer.value(codePointer));

type Walker = { parameters: ["usize"]; result: "i32" };
const walkerPointer = codePointer as Deno.PointerObject<Walker>;
const signature: Walker = { parameters: ["usize"], result: "i32" };
const walkHere = new Deno.UnsafeFnPointer(walkerPointer, signature);
const walkElsewhere = new Deno.UnsafeFnPointer(walkerPointer, { ...signature, nonblocking: true });

/** Walks the table at an address on this thread, the process's main one. Returns 0, or 1 if an entry failed. */
export function walk(table: number): number {
  return walkHere.call(BigInt(table));
}

/** The same on another thread, for tables with calls that wait. */
export function walkBlocking(table: number): Promise<number> {
  return walkElsewhere.call(BigInt(table));
}
