/** Whether a host has idmapped mounts, tried with a user namespace that goes at once. */
import { CLONE_NEWUSER } from "../../ffi/constants.ts";
import { Arena } from "../../ffi/arena.ts";
import { cloneWalking, makePipe, STACK_SIZE, waitForExit } from "../../ffi/process.ts";
import { CallTable, libcCall } from "../../ffi/table.ts";
import { HeldTrees } from "./held_trees.ts";

/**
 * Whether files of a folder can be shown with other owners (mount_setattr(2)).
 * @returns why not; null when they can
 */
export async function tryIdmapped(folder: string): Promise<string | null> {
  const arena = new Arena(STACK_SIZE + 64 * 1024);
  const [ready, go] = [makePipe(), makePipe()];
  const trees = new HeldTrees();
  let pid: number | undefined;
  try {
    const waiting = new CallTable(arena, 4);
    const byte = arena.allocate(8);
    waiting.call("close", [go.writer]);
    waiting.call("write", [ready.writer, byte, 1]);
    waiting.call("read", [go.reader, byte, 1]);
    pid = cloneWalking(waiting, CLONE_NEWUSER);
    libcCall("read", ready.reader, byte, 1);
    for (const file of ["uid_map", "gid_map"]) {
      Deno.writeTextFileSync(`/proc/${pid}/${file}`, "0 100000 65536");
    }
    const tree = { name: folder, kind: "folder", source: folder, recursive: false, isMapped: true } as const;
    trees.hold([tree], { of: (index) => index });
    trees.mapIds(pid);
    return null;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  } finally {
    trees.letGo();
    for (const fd of [ready.reader, ready.writer, go.reader, go.writer]) libcCall("close", fd);
    if (pid !== undefined) await waitForExit(pid);
    arena.release();
  }
}
