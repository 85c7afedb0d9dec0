import { Arena } from "../../ffi/arena.ts";
import {
  ANY_ERRNO,
  describeErrno,
  EBUSY,
  EMFILE,
  ENOENT,
  ENOTEMPTY,
  EROFS,
  errnoOf,
  SystemCallError,
} from "../../ffi/errno.ts";
import { AT_FDCWD, AT_REMOVEDIR } from "../../ffi/constants.ts";
import { pathExists } from "../../ffi/files.ts";
import { ENTRY_SIZE } from "../../ffi/machine_code.ts";
import { CallTable, tryLibcCall } from "../../ffi/table.ts";
import { HostError } from "../errors.ts";
import { eachCgroup, killAllIn } from "./cgroup_tree.ts";
import { flatten, limitDepth } from "./deep_tree.ts";
import { hostLinks } from "./links.ts";
import { runIp } from "./program.ts";
import type { Undo } from "./step.ts";

/**
 * Carries out one undo. What is gone already is no error: it may never have been made.
 * @param undo processes are ended elsewhere (src/container/journal.ts)
 * @param quick the container ended by itself: what the kernel takes away with its namespaces is left to the kernel
 */
export async function carryOut(
  undo: Exclude<
    Undo,
    { undo: "kill" | "end-fuse-overlay" | "release-volumes" | "unpublish-ports" | "forget-names" }
  >,
  { quick }: { quick: boolean },
): Promise<void> {
  switch (undo.undo) {
    case "remove-tree":
      return removeTree(undo.path);
    case "remove-cgroups":
      return await removeCgroups(undo.folders);
    case "remove-empty-cgroups":
      for (const path of undo.folders) {
        tryLibcCall([ENOENT, EBUSY, EROFS], "unlinkat", AT_FDCWD, path, AT_REMOVEDIR);
      }
      return;
    case "delete-link":
      if (!quick) await deleteLink(undo.link);
      return;
  }
}

/** Deletes a network interface of the host, if it is there. */
export async function deleteLink(link: string): Promise<void> {
  if (!hostLinks().includes(link)) return;
  try {
    await runIp([`link delete ${link}`], `cannot delete the link ${link}`);
  } catch (error) {
    // the kernel may have destroyed it in between, with the network namespace of its other end
    if (hostLinks().includes(link)) throw error;
  }
}

const REMOVAL_ATTEMPTS = 100;

/**
 * Removes a folder and what is in it, without following symlinks; another dhow may be at it as well.
 * @throws {HostError} when something cannot be removed
 */
export function removeTree(path: string): void {
  limitDepth();
  for (let attempt = 0;; attempt++) {
    try {
      return Deno.removeSync(path, { recursive: true });
    } catch (error) {
      if (errnoOf(error) === EMFILE) {
        flatten(path);
      } else if (errnoOf(error) === ENOTEMPTY && attempt < REMOVAL_ATTEMPTS) {
        continue; // another dhow has just moved something up
      } else if (!(error instanceof Deno.errors.NotFound)) {
        const errno = errnoOf(error);
        const why = errno === undefined ? String(error) : describeErrno(errno);
        throw new HostError({ what: `cannot remove ${JSON.stringify(path)}`, why, cause: error });
      } else if (!exists(path)) {
        return;
      }
    }
  }
}

function exists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

const CGROUP_EMPTY_WITHIN_MS = 5000;
const CGROUP_USUALLY_EMPTY_WITHIN_MS = 50;

/**
 * Removes a container's cgroups.
 * @throws {SystemCallError} when one cannot be removed; the others are
 */
async function removeCgroups(folders: readonly string[]): Promise<void> {
  const size = (path: string) => ENTRY_SIZE + 4 * path.length;
  const arena = new Arena(folders.reduce((sum, path) => sum + size(path), 2 * ENTRY_SIZE));
  let failure: SystemCallError | undefined;
  try {
    const table = new CallTable(arena, folders.length);
    const removals = folders.map((path) =>
      table.call("unlinkat", [AT_FDCWD, path, AT_REMOVEDIR], { tolerate: ANY_ERRNO })
    );
    table.run();
    for (const [index, path] of folders.entries()) {
      const { errno } = removals[index]!;
      // a file system that must not be written to says so of what is not there, too
      if (errno === 0 || errno === ENOENT || (errno === EROFS && !pathExists(path))) continue;
      try {
        if (errno !== EBUSY) throw new SystemCallError(`rmdir "${path}"`, errno);
        await removeBusyCgroup(path, folders);
      } catch (error) {
        if (!(error instanceof SystemCallError)) throw error;
        failure ??= error;
      }
    }
  } finally {
    arena.release();
  }
  if (failure !== undefined) throw failure;
}

async function removeBusyCgroup(path: string, all: readonly string[]): Promise<void> {
  const start = performance.now();
  // A cgroup stays busy for a moment after its last process has ended, and cgroup v1 has no event for that.
  while (tryLibcCall([ENOENT, EBUSY], "unlinkat", AT_FDCWD, path, AT_REMOVEDIR) === -EBUSY) {
    const passed = performance.now() - start;
    if (passed > CGROUP_EMPTY_WITHIN_MS) throw new SystemCallError(`rmdir "${path}"`, EBUSY);
    // those that start others faster than they can be killed
    if (passed > CGROUP_USUALLY_EMPTY_WITHIN_MS) { for (const each of all) forbidProcesses(each); }
    // without a pid namespace of its own, what it has started does not end with its first process
    killAllIn(path);
    // the container may have made cgroups in its own
    eachCgroup(path, () => {}, true);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

/** From now on nobody can start a process there, where this hierarchy counts them (cgroup-v1/pids.rst, cgroup-v2.rst). */
function forbidProcesses(cgroup: string): void {
  const limit = `${cgroup}/pids.max`;
  if (pathExists(limit)) Deno.writeTextFileSync(limit, "0", { create: false });
}
