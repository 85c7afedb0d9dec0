import { assert, assertEquals, assertThrows } from "@std/assert";
import { Arena } from "../../../ffi/arena.ts";
import { cloneWalking, makePipe, waitForExit } from "../../../ffi/process.ts";
import { CallTable, libcCall } from "../../../ffi/table.ts";
import { eventually } from "../../support/eventually.ts";
import { areAlive, identify, isAlive } from "../../../src/state/process_identity.ts";

const PR_SET_NAME = 15;

/** A child that calls itself `name`, says so, and waits for the end of a pipe. */
async function startChild(name: string): Promise<{ pid: number; end: () => void }> {
  const arena = new Arena(256 * 1024);
  const [ready, go] = [makePipe(), makePipe()];
  const table = new CallTable(arena, 8);
  table.call("close", [go.writer]);
  table.call("prctl", [PR_SET_NAME, name, 0, 0, 0]);
  table.call("write", [ready.writer, "+", 1]);
  table.call("read", [go.reader, arena.allocate(1), 1]);
  const pid = cloneWalking(table, 0);
  const own = new CallTable(arena, 1);
  own.call("read", [ready.reader, arena.allocate(1), 1]);
  await own.runBlocking();
  return {
    pid,
    end: () => {
      for (const fd of [ready.reader, ready.writer, go.reader, go.writer]) libcCall("close", fd);
    },
  };
}

Deno.test("this process is alive under its own identity", () => {
  const self = identify(Deno.pid);
  assertEquals(self.pid, Deno.pid);
  assert(self.startTime > 0);
  assert(isAlive(self));
});

Deno.test("a process that got the pid of an earlier one is not taken for it", () => {
  const self = identify(Deno.pid);
  assert(!isAlive({ ...self, startTime: self.startTime - 1 }));
  assert(!isAlive({ ...self, startTime: self.startTime + 1 }));
});

Deno.test("a process of an earlier boot is not alive, whatever has its pid and start time now", () => {
  assert(!isAlive({ ...identify(Deno.pid), bootId: "00000000-0000-4000-8000-000000000000" }));
});

Deno.test("a process that there is not cannot be named, and is not alive", () => {
  const beyond = 2 ** 22 + 1; // PID_MAX_LIMIT is 2 ** 22
  assertThrows(() => identify(beyond), Error, String(beyond));
  assert(!isAlive({ ...identify(Deno.pid), pid: beyond }));
});

for (const name of ["a b", ") Z 1 2 (", "x)) R", "((("]) {
  Deno.test(`a process that calls itself "${name}" is read like any other`, async () => {
    const child = await startChild(name);
    try {
      const identity = identify(child.pid);
      assert(Number.isInteger(identity.startTime) && identity.startTime >= identify(Deno.pid).startTime);
      assert(isAlive(identity));
    } finally {
      child.end();
      await waitForExit(child.pid);
    }
  });
}

Deno.test("a process that ended is not alive any more, reaped or not", async () => {
  const child = await startChild("short");
  const identity = identify(child.pid);
  child.end();
  // it becomes a zombie, which it stays until waitForExit
  await eventually(() => assert(!isAlive(identity)));
  Deno.statSync(`/proc/${child.pid}`);
  await waitForExit(child.pid);
  assert(!isAlive(identity));
});

Deno.test("many processes asked for together are told apart as one by one", () => {
  const self = identify(Deno.pid);
  const others = [{ ...self, startTime: 1 }, { ...self, bootId: "another" }, { ...self, pid: 2 ** 22 }];
  assertEquals(areAlive([self, ...others, self]), [true, false, false, false, true]);
  assertEquals(areAlive([]), []);
});
