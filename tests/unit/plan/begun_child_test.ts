import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { libcCall } from "../../../ffi/table.ts";
import { makePipe } from "../../../ffi/process.ts";
import { spawnWalking } from "../../../ffi/spawn.ts";
import { beginChild } from "../../../src/plan/child.ts";
import { execute } from "../../../src/plan/execute.ts";
import type { ChildStep, HostStep } from "../../../src/plan/step.ts";
import { childSteps, samplePlan } from "../container/sample.ts";
import { MEETING, record } from "./recorded.ts";

/** How many calls there are each time the child is let go, and the names and first arguments of all in the end. */
function begin(steps: readonly ChildStep[], stopAfter?: number) {
  const lengths: number[] = [];
  const { program, addSteps } = beginChild(
    steps,
    MEETING,
    () => lengths.push(program.table.length),
    stopAfter,
  );
  const begun = program.table.length;
  addSteps();
  const last = program.table.length;
  return { lengths, begun, last, program };
}

const reads = (steps: readonly ChildStep[]) =>
  record(steps).calls.filter(({ name }) => name === "read").length;

const step = { op: "set-hostname", why: "", hostname: "h" } as const;
const wait = { op: "await-release", why: "", reports: false } as const;
const many = (count: number) => Array.from({ length: count }, () => step);

Deno.test("a child that begins early is let go once for each time that it waits for more calls", () => {
  const steps = childSteps(samplePlan());
  const { lengths, begun, last } = begin(steps);
  const { calls } = record(steps);
  // one wait before the steps, one more each time but the last
  assertEquals(last, calls.length + lengths.length);
  assert(lengths.length > 2, "all steps came at once");
  assertEquals(lengths.at(-1), last);
  assert(lengths.every((length, index) => length > (lengths[index - 1] ?? begun)));
});

Deno.test("no byte that says that there are more calls is taken for the one that a step waits for", () => {
  const before = begin([...many(100), wait]);
  const after = begin([wait, ...many(100)]);
  assert(before.lengths.length > 1);
  assertEquals(after.lengths, [after.last]);
});

Deno.test("a child that is to stop for ever has all its calls before it begins", () => {
  const { lengths, last } = begin(many(100), 7);
  assertEquals(lengths, [last]);
});

Deno.test("a child that is complete before it begins waits only where a step says so", () => {
  assertEquals(reads([...many(100), wait]), 1);
});

const reset: ChildStep = {
  op: "reset-process",
  why: "",
  changedSignals: [15],
  openFiles: { soft: 64, hard: 64 },
};
const become: ChildStep = {
  op: "execute",
  why: "",
  args: ["sh", "-c", "exit 7"],
  env: ["PATH=/bin:/usr/bin"],
  init: false,
};
const go = (path: string): ChildStep => ({ op: "change-directory", why: "go there", path });
const start = (...steps: ChildStep[]): HostStep => ({
  do: "start-child",
  why: "start",
  namespaces: [],
  steps,
});
const release = { do: "release-child", why: "let it go on", reports: false } as const;
const around = {
  record() {},
  makeNetwork: () => Promise.resolve(),
  publishNames: () => Promise.resolve(),
  sockets: [],
  terminalOpened() {},
};
const places = Array.from({ length: 100 }, () => go("/proc/self"));

Deno.test("a child walks through many calls that are added while it does", async () => {
  const child = await execute([start(...places, wait, reset, become), release], around);
  assertEquals(await child.ended, { code: 7 });
});

Deno.test("a call that fails among those that were added later is told by its own step", async () => {
  const steps = [...places, go("/proc/self/status"), ...places, wait, reset, become];
  const error = await assertRejects(async () =>
    await (await execute([start(...steps), release], around)).ended
  );
  assert(String(error).includes('"/proc/self/status"'), String(error));
});

Deno.test("when the rest of its calls cannot be added, the child ends", async () => {
  const pipes = { ready: makePipe(), go: makePipe() };
  const { program, addSteps } = beginChild([step], pipes, () => {});
  addSteps();
  const failed = () => {
    throw new Error("no room");
  };
  assertThrows(() => spawnWalking(program.table, 0, pipes.ready, failed), Error, "no room");
  libcCall("close", pipes.go.reader);
  libcCall("close", pipes.go.writer);
  // it has said that it is there, and has the only other end that can be written to
  using ready = await Deno.open(`/proc/self/fd/${pipes.ready.reader}`);
  assertEquals(await ready.read(new Uint8Array(1)), null);
  libcCall("close", pipes.ready.reader);
});
