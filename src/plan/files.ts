import { AT_FDCWD, O_CLOEXEC, O_CREAT, O_TRUNC, O_WRONLY } from "../../ffi/constants.ts";
import { Arena } from "../../ffi/arena.ts";
import { EEXIST, ENOENT, SystemCallError } from "../../ffi/errno.ts";
import { CallTable } from "../../ffi/table.ts";
import type { HostStep } from "./step.ts";

/** A step that only makes folders and files. */
export type FileStep = Extract<HostStep, { do: "make-directory" | "write-file" | "make-cgroups" }>;

const CAPACITY = 256;
const ARENA_SIZE = 1 << 20;
/** Another dhow, whose last container just ended, may remove the folder above a new cgroup in between. */
const CGROUP_ATTEMPTS = 10;

let scratch: { readonly arena: Arena; readonly table: CallTable; readonly mark: number } | undefined;

/**
 * Carries out a step: all its folders and files in one walk of a table.
 * @throws {SystemCallError} for the first that cannot be made
 */
export function makeFiles(step: FileStep): void {
  const needed = ARENA_SIZE + (step.do === "write-file" ? 4 * step.text.length : 0);
  if (scratch === undefined || scratch.arena.size < needed) {
    const arena = new Arena(needed);
    const table = new CallTable(arena, CAPACITY);
    scratch = { arena, table, mark: arena.mark };
  }
  const { arena, table, mark } = scratch;
  for (let attempt = 1;; attempt++) {
    arena.rewind(mark);
    table.clear();
    addCalls(table, step);
    try {
      return table.run();
    } catch (error) {
      const mayRetry = step.do === "make-cgroups" && attempt < CGROUP_ATTEMPTS;
      if (!(mayRetry && error instanceof SystemCallError && error.errno === ENOENT)) throw error;
    }
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
      for (const { parent, path, settings } of step.folders) {
        for (const folder of [parent, path]) {
          makeFolder(folder, 0o755);
          for (const { file, value } of settings) writeFile(`${folder}/${file}`, value, 0, 0);
        }
      }
  }
}
