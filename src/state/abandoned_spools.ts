import { join } from "@std/path";
import { type Paths, spoolFolder } from "./paths.ts";
import { isAlive } from "./process_identity.ts";
import { entriesIn } from "./read.ts";

/** The spools (spool.ts) of processes that are gone. */
export function abandonedSpools(paths: Paths): string[] {
  const folder = spoolFolder(paths);
  return entriesIn(folder).map(({ name }) => name).filter((name) => {
    const [pid, startTime, bootId = ""] = name.split(".");
    return !isAlive({ pid: Number(pid), startTime: Number(startTime), bootId });
  }).map((name) => join(folder, name));
}
