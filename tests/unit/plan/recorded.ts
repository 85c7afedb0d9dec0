import { type Argument, Call, type CallOptions, CallTable } from "../../../ffi/table.ts";
import { type ChildProgram, compileChild } from "../../../src/plan/child.ts";
import type { ChildStep } from "../../../src/plan/step.ts";

/** One call of a child's table, as it was asked for. */
export interface RecordedCall {
  readonly call: Call;
  readonly name: string;
  readonly args: readonly Argument[];
  readonly options: CallOptions;
}

export interface Recording {
  readonly calls: readonly RecordedCall[];
  readonly program: ChildProgram;
  /** The 64-bit words at an address that a call was given. */
  words(address: Argument | undefined, count: number): number[];
}

export const MEETING = {
  ready: { reader: 101, writer: 102 },
  go: { reader: 103, writer: 104 },
  streams: { input: 105, output: 106, errors: 107 },
  held: { descriptor: (name: string) => name === "stage" ? 112 : 113 },
  partners: { pidfd: () => 108, sharedMemory: () => 109 },
  init: { program: 110, report: 111 },
};

/** Compiles steps into a table that nobody walks, and lists its calls. */
export function record(steps: readonly ChildStep[], stopAfter?: number): Recording {
  const calls: RecordedCall[] = [];
  const original = CallTable.prototype.call;
  CallTable.prototype.call = function (name, args, options = {}) {
    const call = original.call(this, name, args, options);
    calls.push({ call, name, args, options });
    return call;
  };
  try {
    const program = stopAfter === undefined
      ? compileChild(steps, MEETING)
      : compileChild(steps, MEETING, stopAfter);
    const words = (address: Argument | undefined, count: number) => {
      if (typeof address !== "number") throw new TypeError("not an address");
      return Array.from({ length: count }, (_, index) => program.table.arena.word(address + index * 8));
    };
    return { calls, program, words };
  } finally {
    CallTable.prototype.call = original;
  }
}

export const named = (recording: Recording, name: string) =>
  recording.calls.filter((call) => call.name === name);

/** The names of the calls, in their order, as far as they are among `wanted`. */
export const orderOf = (recording: Recording, ...wanted: string[]) =>
  recording.calls.map(({ name }) => name).filter((name) => wanted.includes(name));
