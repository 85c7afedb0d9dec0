import { assert, assertEquals, assertThrows } from "@std/assert";
import { dirname } from "@std/path";
import { SystemCallError } from "../../../ffi/errno.ts";
import { makePipe } from "../../../ffi/process.ts";
import { libcCall } from "../../../ffi/table.ts";
import { FolderWatch } from "../../../src/state/folder_watch.ts";
import { databasePath } from "../../../src/state/paths.ts";
import { addContainer, TemporaryState } from "./temporary.ts";

/** How many locks this process has on files of a folder (proc_pid_fdinfo(5)). */
function locksIn(folder: string): number {
  let count = 0;
  for (const { name } of Deno.readDirSync("/proc/self/fd")) {
    try {
      if (!Deno.readLinkSync(`/proc/self/fd/${name}`).startsWith(`${folder}/`)) continue;
      count += Deno.readTextFileSync(`/proc/self/fdinfo/${name}`).match(/^lock:/gm)?.length ?? 0;
    } catch (error) {
      // closed meanwhile; or another test's, with a name that is no UTF-8
      if (!(error instanceof Deno.errors.NotFound || error instanceof Deno.errors.InvalidData)) throw error;
    }
  }
  return count;
}

Deno.test("a change of a file is seen, once, also when it came before the call", async () => {
  using state = new TemporaryState();
  const database = state.open();
  using watch = new FolderWatch(dirname(databasePath(state.paths)));
  assertEquals(await watch.changed(0), false);
  addContainer(database, "a");
  assertEquals(await watch.changed(), true);
  assertEquals(await watch.changed(0), false);
  const waiting = watch.changed();
  addContainer(database, "b");
  assertEquals(await waiting, true);
});

Deno.test("watching a database takes no lock away from who uses it", async () => {
  using state = new TemporaryState();
  const database = state.open();
  const folder = dirname(databasePath(state.paths));
  using watch = new FolderWatch(folder);
  const locks = locksIn(folder);
  assert(locks > 0);
  addContainer(database, "a");
  assertEquals(await watch.changed(), true);
  assertEquals(locksIn(folder), locks);
});

Deno.test("another descriptor ends the wait", async () => {
  using state = new TemporaryState();
  state.open();
  using watch = new FolderWatch(state.paths.state);
  const pipe = makePipe();
  const waiting = watch.changed(Infinity, pipe.reader);
  libcCall("close", pipe.writer);
  assertEquals(await waiting, false);
  libcCall("close", pipe.reader);
});

Deno.test("a folder that is not there cannot be watched", () => {
  assertThrows(() => new FolderWatch("/nowhere/at/all"), SystemCallError, "inotify_add_watch");
});
