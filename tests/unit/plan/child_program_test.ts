import { assertEquals, assertThrows } from "@std/assert";
import { O_CLOEXEC } from "../../../ffi/constants.ts";
import { executablePlaces } from "../../../src/plan/executable_places.ts";
import type { ChildStep } from "../../../src/plan/step.ts";
import { childSteps, samplePlan } from "../container/sample.ts";
import { record } from "./recorded.ts";

const reset: ChildStep = {
  op: "reset-process",
  why: "",
  changedSignals: [],
  openFiles: { soft: 64, hard: 64 },
};

const usual = record(childSteps(samplePlan()));

Deno.test("a step that comes before what it needs is a bug, and said to be one", () => {
  const why = "";
  assertThrows(() => record([{ op: "pivot-root", why }]), Error, "open-root");
  assertThrows(
    () => record([{ op: "make-symlink", why, inRoot: "/dev/x", target: "y" }]),
    Error,
    "open-root",
  );
  assertThrows(() => record([{ op: "take-terminal", why }]), Error, "open-terminal");
  assertThrows(
    () => record([{ op: "execute", why, args: ["/bin/true"], env: [], init: false }]),
    Error,
    "reset-process",
  );
});

Deno.test("a call is known by the step that it was made for", () => {
  const steps = childSteps(samplePlan());
  const { calls, program } = record(steps);
  for (
    const [name, op] of [["pivot_root", "pivot-root"], ["setresuid", "set-user"], [
      "execveat",
      "execute",
    ]] as const
  ) {
    const found = calls.find((call) => call.name === name);
    assertEquals(found && program.stepOf(found.call)?.op, op);
  }
});

Deno.test("what comes before the first step belongs to no step", () => {
  const first = usual.calls[0];
  assertEquals(first && usual.program.stepOf(first.call), undefined);
});

Deno.test("fault injection stops the child after any call of its steps, as long as it has its pipes, and changes none", () => {
  const steps = childSteps(samplePlan());
  const names = usual.calls.map(({ name }) => name);
  const begin = names.indexOf("umask") + 1; // before it come calls that belong to no step
  const alone = names.lastIndexOf("close_range") - 4; // from where the init's descriptors are kept, and no others
  for (const at of [begin + 1, begin + 5, names.indexOf("pivot_root"), alone]) {
    const stopped = record(steps, at - begin).calls.map(({ name }) => name);
    assertEquals(stopped.slice(at, at + 2), ["write", "read"]);
    assertEquals(stopped.toSpliced(at, 2), names);
  }
  for (const at of [alone + 1, names.length]) {
    assertEquals(record(steps, at - begin).calls.map(({ name }) => name), names);
  }
});

Deno.test("a program with a slash in its name is looked for there only", () => {
  assertEquals(executablePlaces("/bin/sh", ["PATH=/usr/bin"]), ["/bin/sh"]);
  assertEquals(executablePlaces("./run", ["PATH=/usr/bin"]), ["./run"]);
});

Deno.test("a program without a slash is looked for in the folders of PATH, in their order", () => {
  assertEquals(executablePlaces("sh", ["XPATH=/no", "PATH=/a:/b c:/d"]), ["/a/sh", "/b c/sh", "/d/sh"]);
  assertEquals(executablePlaces("sh", ["PATH=/a::"]), ["/a/sh", "./sh", "./sh"]);
});

Deno.test("the longest words that an image can bring find room", () => {
  const word = "x".repeat(100_000);
  record([reset, {
    op: "execute",
    why: "",
    args: ["/bin/sh", word, "ü".repeat(100_000)],
    env: [`A=${word}`, "PATH=/bin"],
    init: false,
  }]);
});

for (const init of [true, false]) {
  const how = init ? "with an init" : "without an init";
  Deno.test(`${how}, only what has memory of its own starts the program: the child itself makes no process`, () => {
    const { calls } = record(childSteps(samplePlan({ options: { init } })));
    const names = calls.map(({ name }) => name);
    assertEquals(names.at(-1), "execveat");
    assertEquals(names.filter((name) => ["clone", "execve"].includes(name)), []);
    const closing = calls.findLast(({ name }) => name === "close_range");
    const kept = calls.slice(0, calls.indexOf(closing!)).filter(({ name }) => name === "dup3").slice(-2);
    // the program's own executable, closed by its execution, and its report
    assertEquals(kept.map(({ args }) => args.slice(1)), [[4, O_CLOEXEC], [3, 0]]);
    assertEquals(closing!.args, [5, 0xffffffff, 0]);
  });
}
