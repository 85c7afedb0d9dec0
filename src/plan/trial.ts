/** What can only be known by trying it, tried in namespaces of a child's own, which go with it. */
import { Arena } from "../../ffi/arena.ts";
import { AT_FDCWD, MS_PRIVATE, MS_REC, O_CLOEXEC, O_WRONLY } from "../../ffi/constants.ts";
import { describeErrno, SystemCallError } from "../../ffi/errno.ts";
import { cloneWalking, waitForExit } from "../../ffi/process.ts";
import { CallTable } from "../../ffi/table.ts";

/** What came of trying something: it worked; errno in words, or another reason, why not; undefined when it was not tried. */
export type Trial = "works" | { readonly why: string } | undefined;

/** Calls that the longest trial makes. */
const CAPACITY = 24;
const ARENA_SIZE = 512 * 1024;

/** Why something failed, in words. */
export function failed(error: unknown): Trial {
  if (error instanceof SystemCallError) return { why: `${error.call}: ${describeErrno(error.errno)}` };
  return { why: error instanceof Error ? error.message : String(error) };
}

/**
 * Makes calls in a child.
 * @param namespaces CLONE_NEW... flags of the child
 * @param addCalls adds what the child does; when all of it works, so does the trial
 */
export async function tryInChild(namespaces: number, addCalls: (table: CallTable) => void): Promise<Trial> {
  const arena = new Arena(ARENA_SIZE);
  try {
    const table = new CallTable(arena, CAPACITY);
    addCalls(table);
    const status = await waitForExit(cloneWalking(table, namespaces));
    const { failure } = table;
    if (failure !== undefined) return { why: `${failure.name}: ${describeErrno(failure.errno)}` };
    if ("signal" in status) return { why: `signal ${status.signal}` };
    return status.code === 0 ? "works" : { why: `exit code ${status.code}` };
  } catch (error) {
    return failed(error); // of clone(2)
  } finally {
    arena.release();
  }
}

/** Makes this child's own ids those of root in its new user namespace (user_namespaces(7)). */
export function addMapping(table: CallTable, uid: number, gid: number): void {
  const write = (file: string, text: string) => {
    const fd = table.call("openat", [AT_FDCWD, `/proc/self/${file}`, O_WRONLY | O_CLOEXEC]);
    table.call("write", [fd, text, text.length]);
    table.call("close", [fd]);
  };
  write("setgroups", "deny");
  write("uid_map", `0 ${uid} 1`);
  write("gid_map", `0 ${gid} 1`);
}

export function addPrivateMounts(table: CallTable): void {
  table.call("mount", ["none", "/", 0, MS_REC | MS_PRIVATE, 0]);
}
