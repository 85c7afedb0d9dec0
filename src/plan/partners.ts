/** The containers whose namespaces another one joins: held by their first processes, so that nobody can be mistaken for them. */
import {
  AT_EMPTY_PATH,
  AT_FDCWD,
  CLONE_FILES,
  CLONE_NEWNS,
  O_CLOEXEC,
  O_DIRECTORY,
  O_PATH,
  OPEN_TREE_CLOEXEC,
  OPEN_TREE_CLONE,
  RESOLVE_NO_MAGICLINKS,
  RESOLVE_NO_SYMLINKS,
} from "../../ffi/constants.ts";
import { Arena } from "../../ffi/arena.ts";
import { describeErrno, ENOMEM, ESRCH, SystemCallError } from "../../ffi/errno.ts";
import { cloneWalking, STACK_SIZE, waitForExit } from "../../ffi/process.ts";
import { CallTable, libcCall } from "../../ffi/table.ts";
import { type DhowError, HostError } from "../errors.ts";
import { ProcessHandle } from "../state/process_end.ts";
import { hasExecuted } from "../state/process_identity.ts";
import { cannotJoin } from "./failure.ts";
import type { Join } from "./step.ts";

export class Partners implements Disposable {
  readonly #processes = new Map<string, ProcessHandle>();
  readonly #memories = new Map<string, number>();

  /** @throws {DhowError} in docker's words, when one of them does not run */
  constructor(readonly joins: readonly Join[]) {
    try {
      for (const { kind, container, process } of joins) {
        if (this.#processes.has(container)) continue;
        const handle = ProcessHandle.open(process);
        if (handle !== undefined) this.#processes.set(container, handle);
        // until it has executed its program, it may still be on its way into the namespaces that it is to have
        if (handle === undefined || !hasExecuted(process)) throw cannotJoin(kind, container);
      }
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
  }

  /** A pidfd of a container's first process: setns(2) takes it for its namespaces, and fails with ESRCH when it has ended. */
  pidfd(container: string): number {
    const handle = this.#processes.get(container);
    if (handle === undefined) throw new Error(`nothing of container ${container} is joined`);
    return handle.fd;
  }

  /** The pidfd of the one whose pid namespace is joined. */
  get pidNamespace(): number | undefined {
    const join = this.joins.find(({ kind }) => kind === "pid");
    return join && this.pidfd(join.container);
  }

  /** What has kept a child from being started, as far as the pid namespace is to blame that it joins. */
  explain(error: unknown): DhowError | undefined {
    const join = this.joins.find(({ kind }) => kind === "pid");
    if (join === undefined || !(error instanceof SystemCallError)) return undefined;
    const { call, errno } = error;
    // clone(2): ENOMEM when the namespace's first process has ended
    const hasEnded = (call === "setns" && errno === ESRCH) || (call === "clone" && errno === ENOMEM);
    if (hasEnded) return cannotJoin("pid", join.container);
    return call === "setns" ? cannotJoin("pid", join.container, describeErrno(errno)) : undefined;
  }

  /** A descriptor of a container's /dev/shm, once openSharedMemory has opened it. */
  sharedMemory(container: string): number {
    return this.#memories.get(container)!;
  }

  /**
   * Opens a container's /dev/shm as a mount that hangs nowhere yet (open_tree(2)). A child does it that joins the container's mount
   * namespace, and shares its table of descriptors with this process. No link in the container is followed.
   * @throws {HostError} when it has none
   */
  async openSharedMemory(container: string): Promise<void> {
    const arena = new Arena(STACK_SIZE + 8192);
    try {
      const table = new CallTable(arena, 4);
      table.call("setns", [this.pidfd(container), CLONE_NEWNS]);
      // struct open_how { u64 flags, mode, resolve }
      const how = arena.allocate(24);
      arena.setWord(how, O_PATH | O_DIRECTORY | O_CLOEXEC);
      arena.setWord(how + 16, RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS);
      const folder = table.call("openat2", [AT_FDCWD, "/dev/shm", how, 24]);
      const flags = AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC;
      const mount = table.call("open_tree", [folder, "", flags]);
      table.call("close", [folder]);
      await waitForExit(cloneWalking(table, CLONE_FILES));
      const { failure } = table;
      if (mount.result > 0) this.#memories.set(container, mount.result);
      if (failure === undefined) return;
      if (folder.result > 0) libcCall("close", folder.result);
      if (failure.errno === ESRCH) throw cannotJoin("ipc", container);
      throw new HostError({
        what: `can't join IPC of container ${container}`,
        why: `its /dev/shm cannot be shared: ${describeErrno(failure.errno)}`,
      });
    } finally {
      arena.release();
    }
  }

  [Symbol.dispose](): void {
    for (const handle of this.#processes.values()) handle[Symbol.dispose]();
    for (const fd of this.#memories.values()) libcCall("close", fd);
    this.#processes.clear();
    this.#memories.clear();
  }
}
