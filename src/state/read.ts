import { EINVAL, errnoOf, ESRCH } from "../../ffi/errno.ts";
import { pathExists, readText } from "../../ffi/files.ts";

/**
 * Whether a file is not there, or speaks of a process that ended between open and read: Deno has no class for ESRCH. With EINVAL a
 * process that is ending says so of its mounts (linux: fs/proc_namespace.c, mounts_open_common).
 */
function isGone(error: unknown, path: string): boolean {
  const errno = errnoOf(error);
  return error instanceof Deno.errors.NotFound || errno === ESRCH ||
    (errno === EINVAL && /^\/proc\/\d+\/mountinfo$/.test(path));
}

/** The text of a configuration file of the host; undefined when there is none, or it is not a file that can be read. */
export function readConfiguration(path: string): string | undefined {
  try {
    if (!pathExists(path)) return undefined;
    // a fifo would wait for a writer
    return Deno.statSync(path).isFile ? Deno.readTextFileSync(path) : undefined;
  } catch {
    return undefined; // then what depends on it has its default
  }
}

/** The text of a file of the kernel's; undefined when there is none. */
export function readIfThere(path: string): string | undefined {
  try {
    return readText(path);
  } catch (error) {
    if (isGone(error, path)) return undefined;
    throw error;
  }
}

/** The text of a file that every kernel has. @throws {Error} when this one has not */
export function readKernelFile(path: string): string {
  const text = readText(path);
  if (text === undefined) throw new Error(`there is no ${path}; is /proc mounted?`);
  return text;
}

/** What lies in a folder of the host; nothing when there is no such folder. */
export function entriesIn(path: string): Deno.DirEntry[] {
  if (!pathExists(path)) return [];
  try {
    return [...Deno.readDirSync(path)];
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}
