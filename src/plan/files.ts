import { AT_FDCWD, O_CLOEXEC, O_CREAT, O_TRUNC, O_WRONLY } from "../../ffi/constants.ts";
import { Arena } from "../../ffi/arena.ts";
import { EEXIST } from "../../ffi/errno.ts";
import { ENTRY_SIZE } from "../../ffi/machine_code.ts";
import { CallTable } from "../../ffi/table.ts";
import { explainHostFailure } from "./failure.ts";
import type { HostStep } from "./step.ts";

/** A step that only makes folders and files. */
export type FileStep = Extract<HostStep, { do: "make-directory" | "write-file" | "make-cgroups" }>;

export function isFileStep(step: HostStep): step is FileStep {
  return step.do === "make-directory" || step.do === "write-file" || step.do === "make-cgroups";
}

/** How many calls a step needs, at most. */
function callsFor(step: FileStep): number {
  switch (step.do) {
    case "make-directory":
      return step.path.split("/").length;
    case "write-file":
      return 3;
    case "make-cgroups":
      return step.folders.reduce((sum, { settings }) => sum + 1 + 3 * settings.length, 0);
  }
}

/**
 * Carries out steps, all their folders and files in one walk of a table.
 * @throws {HostError} for the first that cannot be made
 */
export function makeFiles(steps: readonly FileStep[]): void {
  const capacity = steps.reduce((sum, step) => sum + callsFor(step), 0);
  // as if each call held all texts of its step
  const size = (step: FileStep) => callsFor(step) * (ENTRY_SIZE + 4 * JSON.stringify(step).length);
  const arena = new Arena(steps.reduce((sum, step) => sum + size(step), 2 * ENTRY_SIZE));
  try {
    const table = new CallTable(arena, capacity);
    const owners = steps.flatMap((step) => {
      const before = table.length;
      try {
        addCalls(table, step);
      } catch (error) {
        throw explainHostFailure(step, error);
      }
      return Array<FileStep>(table.length - before).fill(step);
    });
    try {
      table.run();
    } catch (error) {
      throw explainHostFailure(owners[table.failure?.index ?? 0]!, error);
    }
  } finally {
    arena.release();
  }
}

function addCalls(table: CallTable, step: FileStep): void {
  const makeFolder = (path: string, mode: number) =>
    table.call("mkdirat", [AT_FDCWD, path, mode], { tolerate: [EEXIST] });
  const writeFile = (path: string, text: string, flags: number, mode: number) => {
    const length = new TextEncoder().encode(text).length;
    const file = table.call("openat", [AT_FDCWD, path, O_WRONLY | O_CLOEXEC | flags, mode]);
    table.call("write", [file, text, length], { least: length });
    table.call("close", [file]);
  };
  switch (step.do) {
    case "make-directory": {
      const names = step.path.split("/").slice(1);
      names.forEach((_, index) => makeFolder(`/${names.slice(0, index + 1).join("/")}`, step.mode));
      return;
    }
    case "write-file":
      return writeFile(step.path, step.text, O_CREAT | O_TRUNC, step.mode);
    case "make-cgroups":
      for (const { path, settings } of step.folders) {
        makeFolder(path, 0o755);
        for (const { file, value } of settings) writeFile(`${path}/${file}`, value, 0, 0);
      }
  }
}
