import { libcCall } from "../../ffi/table.ts";
import { log } from "../log.ts";
import { type ByteSink, TarWriter } from "../image/tar/writer.ts";
import { TreeArchive } from "../image/walk/archive.ts";
import { walk } from "../image/walk/walker.ts";
import { openRoot, type RunningContainer, whileAlive } from "./running.ts";

/**
 * Writes a container's file system as a tar: what its image and its own changes make, without what is mounted in it. The container
 * goes on meanwhile, and may change what it likes; see `walk`.
 * @param signal breaks it off
 * @throws {DhowError} when the container ends before all is read, or the sink does not take it
 */
export async function exportContainer(
  container: RunningContainer,
  sink: ByteSink,
  signal: AbortSignal,
): Promise<void> {
  const what = `cannot export container ${JSON.stringify(container.name)}`;
  const warn = (text: string) => log.warn(text);
  const root = await openRoot(container, what);
  try {
    await whileAlive(container, what, async () => {
      await using tar = new TarWriter(sink);
      using tree = new TreeArchive(tar, warn);
      for (const found of walk(root, warn)) {
        signal.throwIfAborted();
        await tree.add(found);
      }
      await tar.finish();
    });
  } finally {
    libcCall("close", root);
  }
}
