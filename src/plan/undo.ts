import { Arena } from "../../ffi/arena.ts";
import { ANY_ERRNO, EBUSY, EINTR, EINVAL, ENOENT, ESRCH, SystemCallError } from "../../ffi/errno.ts";
import { AT_FDCWD, AT_REMOVEDIR, SIGNALS } from "../../ffi/constants.ts";
import { ENTRY_SIZE } from "../../ffi/machine_code.ts";
import { CallTable, libcCall, tryLibcCall } from "../../ffi/table.ts";
import { isAlive, type ProcessIdentity } from "../state/process_identity.ts";
import { entriesIn, readIfThere } from "../state/read.ts";
import { hostLinks } from "./links.ts";
import { runIp } from "./program.ts";
import type { Undo } from "./step.ts";

/**
 * Carries out one undo. What is gone already is no error: it may never have been made.
 * @param quick the container ended by itself: what the kernel takes away with its namespaces is left to the kernel
 */
export async function carryOut(
  undo: Exclude<Undo, { undo: "release-volumes" }>,
  { quick }: { quick: boolean },
): Promise<void> {
  switch (undo.undo) {
    case "remove-tree":
      return removeTree(undo.path);
    case "remove-cgroups":
      return await removeCgroups(undo.folders);
    case "delete-link":
      if (!quick) await deleteLink(undo.link);
      return;
    case "kill":
      return await killProcess(undo);
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

/** Removes a folder and what is in it, without following symlinks; another dhow may be at it as well. */
export function removeTree(path: string): void {
  while (true) {
    try {
      return Deno.removeSync(path, { recursive: true });
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
      if (!exists(path)) return;
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
      if (errno === 0 || errno === ENOENT) continue;
      try {
        if (errno !== EBUSY) throw new SystemCallError(`rmdir "${path}"`, errno);
        await removeBusyCgroup(path);
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

async function removeBusyCgroup(path: string): Promise<void> {
  const deadline = performance.now() + CGROUP_EMPTY_WITHIN_MS;
  // A cgroup stays busy for a moment after its last process has ended, and cgroup v1 has no event for that.
  while (tryLibcCall([ENOENT, EBUSY], "unlinkat", AT_FDCWD, path, AT_REMOVEDIR) === -EBUSY) {
    // without a pid namespace of its own, what it has started does not end with its first process
    killThoseIn(path);
    // the container may have made cgroups in its own
    const inner = entriesIn(path).filter(({ isDirectory }) => isDirectory);
    await removeCgroups(inner.map(({ name }) => `${path}/${name}`));
    if (performance.now() > deadline) throw new SystemCallError(`rmdir "${path}"`, EBUSY);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

function killThoseIn(cgroup: string): void {
  const read = () =>
    (readIfThere(`${cgroup}/cgroup.procs`) ?? "").split("\n").map(Number).filter((pid) => pid > 1);
  for (const pid of read()) {
    const pidfd = tryLibcCall([ESRCH, EINVAL], "pidfd_open", pid, 0);
    if (pidfd < 0) continue;
    // still there: so the descriptor means a process of the container, not another one with its pid
    if (read().includes(pid)) tryLibcCall([ESRCH], "pidfd_send_signal", pidfd, SIGNALS.SIGKILL, 0, 0);
    libcCall("close", pidfd);
  }
}

/** Kills a process that need not be a child of this one, and waits until it is gone. */
async function killProcess(process: ProcessIdentity): Promise<void> {
  // a monitor is in its container's journal, and becomes the command that carries it out
  if (!isAlive(process) || process.pid === Deno.pid) return;
  const pidfd = tryLibcCall([ESRCH], "pidfd_open", process.pid, 0);
  if (pidfd === -ESRCH) return;
  const arena = new Arena(4096);
  try {
    // only now is it certain that the descriptor means that process, and not another one with its pid
    if (!isAlive(process)) return;
    libcCall("pidfd_send_signal", pidfd, SIGNALS.SIGKILL, 0, 0);
    const POLLIN = 1;
    const request = arena.integers([pidfd, POLLIN]);
    const table = new CallTable(arena, 1);
    table.call("poll", [request, 1, -1], { tolerate: [EINTR] });
    while (isAlive(process)) await table.runBlocking();
  } finally {
    libcCall("close", pidfd);
    arena.release();
  }
}
