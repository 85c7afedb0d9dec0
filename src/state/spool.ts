/** Folders for what a command keeps on disk while it runs: downloads, compressed layers. */
import { join } from "@std/path";
import { HostError } from "../errors.ts";
import { removeTree } from "../plan/undo.ts";
import { type Paths, spoolFolder } from "./paths.ts";
import { identify, isAlive } from "./process_identity.ts";
import { entriesIn } from "./read.ts";

/** A folder that goes when it is disposed of, or, should this process be killed, with the next command. */
export interface Spool extends Disposable {
  readonly path: string;
}

/**
 * Makes a folder that is this process's own: its name says whose, so that nothing else has to be written down.
 * @throws {HostError} when it cannot be made
 */
export function openSpool(paths: Paths): Spool {
  const folder = spoolFolder(paths);
  const { pid, startTime, bootId } = identify(Deno.pid);
  try {
    Deno.mkdirSync(folder, { recursive: true, mode: 0o700 });
    const path = Deno.makeTempDirSync({ dir: folder, prefix: `${pid}.${startTime}.${bootId}.` });
    return { path, [Symbol.dispose]: () => removeTree(path) };
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    const hint = "free some space, or choose another place with --root DIR";
    throw new HostError({ what: `cannot make a folder in "${folder}"`, why, hint, cause });
  }
}

/** Removes the folders of processes that are gone. Costs almost nothing when there are none. */
export function removeAbandonedSpools(paths: Paths): void {
  const folder = spoolFolder(paths);
  for (const { name } of entriesIn(folder)) {
    const [pid, startTime, bootId = ""] = name.split(".");
    if (!isAlive({ pid: Number(pid), startTime: Number(startTime), bootId })) removeTree(join(folder, name));
  }
}
