import { AT_FDCWD } from "./constants.ts";
import { ENOENT, SystemCallError } from "./errno.ts";
import { tryLibcCall } from "./table.ts";

/**
 * Whether something lies at a path, as far as can be seen (faccessat(2)). For paths that are often missing: an exception
 * of Deno's costs a third of a millisecond the first time.
 * @throws {SystemCallError} when it cannot be seen, a loop of links for example
 */
export function pathExists(path: string): boolean {
  try {
    return tryLibcCall([ENOENT], "faccessat", AT_FDCWD, path, 0, 0) === 0;
  } catch (error) {
    if (!(error instanceof SystemCallError)) throw error;
    throw new SystemCallError(`faccessat ${JSON.stringify(path)}`, error.errno);
  }
}
