import { assertEquals, assertRejects, assertStrictEquals, assertThrows } from "@std/assert";
import { Arena } from "../../../ffi/arena.ts";
import {
  AT_FDCWD,
  CLONE_NEWPID,
  CLONE_NEWUSER,
  CLONE_NEWUTS,
  O_PATH,
  SIGNALS,
} from "../../../ffi/constants.ts";
import { EINVAL, ENOENT, ENOSPC, EPERM, ESRCH, SystemCallError } from "../../../ffi/errno.ts";
import { walkerAddress } from "../../../ffi/libc.ts";
import { cloneWalking, exitCode, makePipe, type Pipe, waitForExit } from "../../../ffi/process.ts";
import { spawnJoining, spawnMonitored } from "../../../ffi/spawn.ts";
import { CallTable, libcCall } from "../../../ffi/table.ts";
import { eventually } from "../../support/eventually.ts";
import { skip } from "../../support/system_test.ts";

const CLONE_FS = 0x200;
const ECHILD = 10;

function newTable(): CallTable {
  return new CallTable(new Arena(256 * 1024), 16);
}

/** Adds an execve of a shell script, which ends the table. */
function addShell(table: CallTable, script: string): void {
  const { arena } = table;
  table.call("execve", ["/bin/sh", arena.strings(["sh", "-c", script]), arena.strings(["X=from envp"])]);
}

Deno.test("a child's exit code is that of the program that its table executes", async () => {
  const table = newTable();
  addShell(table, '[ "$X" = "from envp" ] && exit 7');
  assertEquals(await waitForExit(cloneWalking(table, 0)), { code: 7 });
});

Deno.test("a child that a signal ends has that signal as its status", async () => {
  const table = newTable();
  addShell(table, "kill -KILL $$");
  assertEquals(await waitForExit(cloneWalking(table, 0)), { signal: SIGNALS.SIGKILL });
});

Deno.test("a child that comes to the end of its table ends with code 0", async () => {
  const table = newTable();
  table.call("umask", [0o77]);
  assertEquals(await waitForExit(cloneWalking(table, 0)), { code: 0 });
});

Deno.test("a child whose walk fails ends with code 1, and its parent sees which call failed and why", async () => {
  const table = newTable();
  table.call("umask", [0o77]);
  const failing = table.call("openat", [AT_FDCWD, "/nonexistent", O_PATH]);
  addShell(table, "exit 7");
  assertEquals(await waitForExit(cloneWalking(table, 0)), { code: 1 });
  assertStrictEquals(table.failure, failing);
  assertEquals(failing.errno, ENOENT);
});

Deno.test("a parent sees the results of its child's calls", async () => {
  const table = newTable();
  const session = table.call("setsid", []);
  const pid = cloneWalking(table, 0);
  await waitForExit(pid);
  assertEquals(session.result, pid);
});

Deno.test("a child's calls change the child, not its parent", async () => {
  const before = Deno.cwd();
  const table = newTable();
  table.call("chdir", ["/proc"]);
  table.call("openat", [AT_FDCWD, "self", O_PATH]);
  assertEquals(await waitForExit(cloneWalking(table, 0)), { code: 0 });
  assertEquals(Deno.cwd(), before);
});

Deno.test("a table's entry can clone a child that walks another table", async () => {
  const inner = newTable();
  addShell(inner, "exit 5");
  const outer = newTable();
  const { arena } = outer;
  const stack = arena.allocate(64 * 1024, 16) + 64 * 1024;
  const cloned = outer.call("clone", [walkerAddress, stack, SIGNALS.SIGCHLD, inner.address]);
  const status = arena.allocate(8);
  const waited = outer.call("wait4", [cloned, status, 0, 0]);
  assertEquals(await waitForExit(cloneWalking(outer, 0)), { code: 0 });
  assertEquals(waited.result, cloned.result);
  assertEquals(arena.int(status) >> 8, 5);
});

Deno.test("children that walk at the same time do not disturb each other", async () => {
  const children = [3, 4, 5].map((code) => {
    const table = newTable();
    const session = table.call("setsid", []);
    addShell(table, `exit ${code}`);
    return { code, session, pid: cloneWalking(table, 0) };
  });
  for (const { code, session, pid } of children) {
    assertEquals(await waitForExit(pid), { code });
    assertEquals(session.result, pid);
  }
});

Deno.test("a child in a user namespace of its own, as any user may have, has the powers to make others", async (test) => {
  const host = Deno.hostname();
  const table = newTable();
  const session = table.call("setsid", []);
  const rename = table.call("sethostname", ["inside", 6]);
  addShell(table, '[ "$(uname -n)" = inside ]');
  let pid: number;
  try {
    pid = cloneWalking(table, CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWUTS);
  } catch (error) {
    if (!(error instanceof SystemCallError && [EPERM, EINVAL, ENOSPC].includes(error.errno))) throw error;
    return skip(test.name, `this host allows no user namespaces (${error.message})`);
  }
  const status = await waitForExit(pid);
  if (rename.errno === EPERM) return skip(test.name, "this host gives user namespaces no powers");
  assertEquals(status, { code: 0 });
  assertEquals(session.result, 1); // its pid, in its own pid namespace
  assertEquals(Deno.hostname(), host);
});

Deno.test("flags that clone refuses are an error of the parent", () => {
  const table = newTable();
  const error = assertThrows(() => cloneWalking(table, CLONE_NEWUSER | CLONE_FS), SystemCallError);
  assertEquals([error.call, error.errno], ["clone", EINVAL]);
});

Deno.test("waiting for a process that is not a child of this one is an error", async () => {
  const error = await assertRejects(() => waitForExit(1), SystemCallError);
  assertEquals([error.call, error.errno], ["wait4", ECHILD]);
});

Deno.test("a process that was waited for is gone", async () => {
  const pid = cloneWalking(newTable(), 0);
  await waitForExit(pid);
  assertEquals((await assertRejects(() => waitForExit(pid), SystemCallError)).errno, ECHILD);
});

Deno.test("the ends of a pipe are closed by execve", async () => {
  const { reader, writer } = makePipe();
  const table = newTable();
  addShell(table, `[ ! -e /proc/self/fd/${reader} ] && [ ! -e /proc/self/fd/${writer} ]`);
  assertEquals(await waitForExit(cloneWalking(table, 0)), { code: 0 });
  libcCall("close", reader);
  libcCall("close", writer);
});

Deno.test("exitCode is the program's code, or 128 and the signal", () => {
  assertEquals(exitCode({ code: 7 }), 7);
  assertEquals(exitCode({ signal: SIGNALS.SIGKILL }), 137);
});

const NOT_JOINED = "the pid namespace of a process that has ended is not joined, and nothing is left open";

// the thread that has tried to start a monitor may still be on its way back
Deno.test({ name: NOT_JOINED, sanitizeOps: false }, async () => {
  const ending = newTable();
  ending.call("umask", [0o77]);
  const pid = cloneWalking(ending, 0);
  const pidfd = libcCall("pidfd_open", pid, 0);
  await waitForExit(pid);
  const descriptors = () => Array.from(Deno.readDirSync("/proc/self/fd")).length;
  const before = descriptors();
  const joins = [
    (table: CallTable, ready: Pipe) => spawnJoining(table, 0, ready, pidfd),
    (table: CallTable, ready: Pipe) =>
      Promise.resolve().then(() =>
        spawnMonitored(table, 0, ready, [], (monitor) => addShell(monitor, ""), 4, pidfd)
      ),
  ];
  for (const join of joins) {
    const ready = makePipe();
    const table = newTable();
    table.call("write", [ready.writer, "b", 1]);
    addShell(table, "exit 7");
    const error = await assertRejects(() => join(table, ready), SystemCallError);
    assertEquals([error.call, error.errno], ["setns", ESRCH]);
    libcCall("close", ready.reader);
  }
  await eventually(() => Promise.resolve(assertEquals(descriptors(), before)));
  libcCall("close", pidfd);
});
