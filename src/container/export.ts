import { libcCall } from "../../ffi/table.ts";
import { log } from "../log.ts";
import { type ByteSink, TarWriter } from "../image/tar/writer.ts";
import { TreeArchive } from "../image/walk/archive.ts";
import { walk } from "../image/walk/walker.ts";
import type { IdMappings } from "../plan/step.ts";
import type { Lower } from "../rootfs/overlay.ts";
import type { Database } from "../state/database.ts";
import type { Paths } from "../state/paths.ts";
import type { ContainerRecord } from "./records.ts";
import { openRoot, type RunningContainer, whileAlive } from "./running.ts";
import { withRoot } from "./tree_view.ts";

/**
 * Writes a container's file system as a tar: what its image and its own changes make, without what is mounted in it. The container
 * goes on meanwhile, and may change what it likes; see `walk`.
 * @param ids of the host that it has, if it has some of its own
 * @param signal breaks it off
 * @throws {DhowError} when the container ends before all is read, or the sink does not take it
 */
export async function exportContainer(
  container: RunningContainer,
  ids: IdMappings | undefined,
  sink: ByteSink,
  signal: AbortSignal,
): Promise<void> {
  const what = `cannot export container ${JSON.stringify(container.name)}`;
  const root = await openRoot(container, what);
  try {
    await whileAlive(container, what, () => writeTree(root, ids, sink, signal));
  } finally {
    libcCall("close", root);
  }
}

/** The same for a container that does not run. @throws {DhowError} when it is started meanwhile */
export async function exportStopped(
  context: { readonly database: Database; readonly paths: Paths },
  container: ContainerRecord,
  lower: Lower,
  sink: ByteSink,
  signal: AbortSignal,
): Promise<void> {
  const what = `cannot export container ${JSON.stringify(container.name)}`;
  const options = { what, isWritable: false, withMounts: false, lower: () => Promise.resolve(lower) };
  await withRoot(context, container, options, (root, ids) => writeTree(root, ids, sink, signal));
}

async function writeTree(
  root: number,
  ids: IdMappings | undefined,
  sink: ByteSink,
  signal: AbortSignal,
): Promise<void> {
  const warn = (text: string) => log.warn(text);
  await using tar = new TarWriter(sink);
  using tree = new TreeArchive(tar, warn, ids);
  for (const found of walk(root, warn)) {
    signal.throwIfAborted();
    await tree.add(found);
  }
  await tar.finish();
}
