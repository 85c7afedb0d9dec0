/** Folders for what a command keeps on disk while it runs: downloads, compressed layers. */
import { HostError } from "../errors.ts";
import { removeTree } from "../plan/undo.ts";
import { type Paths, spoolFolder } from "./paths.ts";
import { identify } from "./process_identity.ts";

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
