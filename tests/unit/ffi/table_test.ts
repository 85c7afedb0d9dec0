import { assert, assertEquals, assertRejects, assertStrictEquals, assertThrows } from "@std/assert";
import { Arena } from "../../../ffi/arena.ts";
import { AT_FDCWD, O_CLOEXEC, O_PATH } from "../../../ffi/constants.ts";
import { EINVAL, ENOENT, SystemCallError } from "../../../ffi/errno.ts";
import { pathExists } from "../../../ffi/files.ts";
import { makePipe } from "../../../ffi/process.ts";
import { CallTable, libcCall, tryLibcCall } from "../../../ffi/table.ts";

const EBADF = 9;

function newTable(capacity = 8): CallTable {
  return new CallTable(new Arena(16 * 1024), capacity);
}

function closePipe({ reader, writer }: { reader: number; writer: number }): void {
  libcCall("close", reader);
  libcCall("close", writer);
}

Deno.test("a table's calls can use the descriptors that earlier ones opened", () => {
  const table = newTable();
  const folder = table.call("openat", [AT_FDCWD, "/dev", O_PATH | O_CLOEXEC]);
  const file = table.call("openat", [folder, "null", O_PATH | O_CLOEXEC]);
  table.run();
  assertEquals(Deno.readLinkSync(`/proc/self/fd/${file.result}`), "/dev/null");
  libcCall("close", folder.result);
  libcCall("close", file.result);
});

Deno.test("run throws the first failure, by the call's name and errno", () => {
  const table = newTable();
  table.call("openat", [AT_FDCWD, "/nonexistent", O_PATH]);
  table.call("close", [-1]);
  const error = assertThrows(() => table.run(), SystemCallError);
  assertEquals([error.call, error.errno], ["openat", ENOENT]);
});

Deno.test("a table that is full takes no further call", () => {
  const table = newTable(2);
  table.call("umask", [0o22]);
  table.call("umask", [0o22]);
  assertThrows(() => table.call("umask", [0o22]), RangeError, "a call table of 2 entries is full");
  assertEquals(table.length, 2);
});

Deno.test("a call has at most six arguments", () => {
  assertThrows(() => newTable().call("close", [1, 2, 3, 4, 5, 6, 7]), RangeError, "room for six arguments");
});

Deno.test("of the six arguments, a system call's number takes one", () => {
  assertThrows(() => newTable().call("openat2", [1, 2, 3, 4, 5, 6]), RangeError, "openat2: ");
  assertEquals(newTable().call("openat2", [1, 2, 3, 4, 5]).index, 0);
});

Deno.test("a call that cannot be added leaves the table as it was", () => {
  const table = newTable();
  const { reader, writer } = makePipe();
  const write = table.call("write", [writer, "x", 1]);
  assertThrows(() => table.call("write", [writer, "nul\0inside", 10]), TypeError, "NUL");
  assertEquals(table.length, 1);
  table.run();
  assertEquals(write.result, 1);
  closePipe({ reader, writer });
});

Deno.test("a function that libc does not have is refused when its call is added", () => {
  const table = newTable();
  assertThrows(() => table.call("no_such_function", []), Error, "libc has no function no_such_function");
  assertEquals(table.length, 0);
  table.run();
});

Deno.test("system calls that libc has no function for are made by their numbers", () => {
  const table = newTable();
  table.call("close_range", [2 ** 32 - 2, 2 ** 32 - 1, 0]);
  const invalid = table.call("close_range", [2, 1, 0]);
  const error = assertThrows(() => table.run(), SystemCallError);
  assertEquals([error.call, error.errno], ["close_range", EINVAL]);
  assertStrictEquals(table.failure, invalid);
});

Deno.test("an earlier call's result reaches a system call made by its number", () => {
  const table = newTable();
  const opened = table.call("openat", [AT_FDCWD, "/", O_PATH | O_CLOEXEC]);
  table.call("close_range", [opened, opened, 0]);
  table.run();
  assertEquals(assertThrows(() => libcCall("close", opened.result), SystemCallError).errno, EBADF);
});

Deno.test("a cleared table has no calls and no failure", () => {
  const table = newTable();
  table.call("umask", [Deno.umask()]);
  table.call("close", [-1]);
  assertThrows(() => table.run(), SystemCallError);
  table.clear();
  assertEquals([table.length, table.failure], [0, undefined]);
  table.run();
  table.call("umask", [Deno.umask()]);
  table.call("umask", [Deno.umask()]);
  table.run();
  assertEquals(table.failure, undefined);
});

Deno.test("a cleared table ends after the calls that were added since", () => {
  const table = newTable();
  table.call("umask", [Deno.umask()]);
  table.call("close", [-1]);
  table.clear();
  table.call("umask", [Deno.umask()]);
  table.run();
});

Deno.test("in a cleared table nothing is left of a call for the one that takes its place", () => {
  const { reader, writer } = makePipe();
  const table = newTable();
  const first = table.call("write", [writer, "1", 1]);
  table.call("read", [reader, table.arena.allocate(8), first], { least: 1, tolerate: [EBADF] });
  table.run();
  table.clear();
  table.call("write", [writer, "2", 1]);
  const second = table.call("write", [writer, "", 0]);
  assertEquals(second.result, 0);
  table.run();
  table.clear();
  table.call("umask", [Deno.umask()]);
  table.call("close", [-1]);
  assertThrows(() => table.run(), SystemCallError, "EBADF");
  closePipe({ reader, writer });
});

Deno.test("runBlocking leaves this thread free while a call waits", async () => {
  const { reader, writer } = makePipe();
  const table = newTable();
  const buffer = table.arena.allocate(8);
  const read = table.call("read", [reader, buffer, 8]);
  const walked = table.runBlocking();
  assertEquals(libcCall("write", writer, "now", 3), 3);
  await walked;
  assertEquals(read.result, 3);
  closePipe({ reader, writer });
});

Deno.test("runBlocking rejects with the errno of the thread that made the call", async () => {
  const table = newTable();
  table.call("openat", [AT_FDCWD, "/nonexistent", O_PATH]);
  const error = await assertRejects(() => table.runBlocking(), SystemCallError);
  assertEquals([error.call, error.errno], ["openat", ENOENT]);
});

Deno.test("libcCall returns the call's result", () => {
  const fd = libcCall("openat", AT_FDCWD, "/dev/null", O_PATH | O_CLOEXEC);
  assertEquals(Deno.readLinkSync(`/proc/self/fd/${fd}`), "/dev/null");
  assertEquals(libcCall("close", fd), 0);
});

Deno.test("libcCall throws a SystemCallError that has the call's name and errno", () => {
  const error = assertThrows(() => libcCall("openat", AT_FDCWD, "/nonexistent", O_PATH), SystemCallError);
  assertEquals([error.call, error.errno], ["openat", ENOENT]);
  assertEquals(error.message, "openat: no such file or directory (ENOENT)");
});

Deno.test("libcCall gives its memory back with every call", () => {
  const long = `/${"x".repeat(100_000)}`;
  for (let times = 0; times < 10; times++) {
    const error = assertThrows(() => libcCall("openat", AT_FDCWD, long, O_PATH), SystemCallError);
    assertEquals(error.message, "openat: file name too long (ENAMETOOLONG)");
  }
});

Deno.test("arguments of a call that could not be added are not those of the next one", () => {
  const table = newTable();
  assertThrows(() => table.call("openat", [AT_FDCWD, "/dev/null", 1, 2, "nul\0inside"]), TypeError);
  const call = table.call("umask", []);
  assertEquals([0, 1, 2, 3].map((at) => table.arena.word(call.address + 8 + at * 8)), [0, 0, 0, 0]);
});

Deno.test("tryLibcCall gives minus errno for what may fail, and throws for the rest", () => {
  assertEquals(tryLibcCall([ENOENT], "openat", AT_FDCWD, "/nonexistent", O_PATH), -ENOENT);
  assertThrows(() => tryLibcCall([EINVAL], "openat", AT_FDCWD, "/nonexistent", O_PATH), SystemCallError);
  assertEquals(tryLibcCall([ENOENT], "faccessat", AT_FDCWD, "/dev/null", 0, 0), 0);
});

Deno.test("a path exists when something lies there, also what nobody may read", () => {
  assert(pathExists("/dev/null") && pathExists("/proc/self"));
  assert(!pathExists("/nonexistent") && !pathExists("/proc/self/nonexistent/x"));
});

Deno.test("an errno that the walker cannot tell is refused", () => {
  assertThrows(() => newTable().call("close", [1], { tolerate: [95] }), RangeError, "errno 95");
});
