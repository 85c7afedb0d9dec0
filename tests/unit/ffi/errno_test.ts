import { assertEquals, assertThrows } from "@std/assert";
import { describeErrno, ENODEV, ENOTDIR, errnoName, errnoOf, SystemCallError } from "../../../ffi/errno.ts";

Deno.test("describeErrno gives an error's words and its name", () => {
  assertEquals(describeErrno(ENODEV), "no such device (ENODEV)");
});

Deno.test("an errno that is not in the table is told by its number", () => {
  assertEquals(describeErrno(200), "error 200");
  assertEquals(errnoName(200), "E200");
});

Deno.test("a SystemCallError tells the call and why it failed", () => {
  const error = new SystemCallError("mount", ENODEV);
  assertEquals(String(error), "SystemCallError: mount: no such device (ENODEV)");
  assertEquals([error.call, error.errno, errnoName(error.errno)], ["mount", ENODEV, "ENODEV"]);
});

Deno.test("errnoOf knows the errno of Deno's errors and its own, and that others have none", () => {
  assertEquals(errnoOf(assertThrows(() => Deno.statSync("/dev/null/x"))), ENOTDIR);
  assertEquals(errnoOf(new SystemCallError("mount", ENODEV)), ENODEV);
  for (const other of [new Error("full"), undefined, null, "ENOSPC"]) assertEquals(errnoOf(other), undefined);
});
