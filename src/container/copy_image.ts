/** Copies an image for a container with ids of its own, where its files cannot be shown with other owners. */
import {
  AT_FDCWD,
  O_CLOEXEC,
  O_DIRECTORY,
  O_PATH,
  RESOLVE_BENEATH,
  RESOLVE_NO_SYMLINKS,
} from "../../ffi/constants.ts";
import { pathExists } from "../../ffi/files.ts";
import { libcCall } from "../../ffi/table.ts";
import { Extractor } from "../image/extract/extractor.ts";
import { TarWriter } from "../image/tar/writer.ts";
import { TreeArchive } from "../image/walk/archive.ts";
import { walk } from "../image/walk/walker.ts";
import { log } from "../log.ts";
import type { IdMappings } from "../plan/step.ts";
import { removeTree } from "../plan/undo.ts";
import type { Lower } from "../rootfs/overlay.ts";
import { containerState, type Paths } from "../state/paths.ts";
import { copyFolder } from "./copied_image.ts";
import { viewRoot } from "./root_view.ts";

/**
 * Makes the copy, unless it is there. It goes with the container's folder.
 * @throws {HostError} when there is no space for it, or a file has an owner that the container has not
 */
export async function copyImage(paths: Paths, id: string, lower: Lower, ids: IdMappings): Promise<void> {
  const target = copyFolder(paths, id);
  if (pathExists(target)) return;
  const unfinished = `${target}.new`;
  removeTree(unfinished);
  Deno.mkdirSync(unfinished, { recursive: true, mode: 0o755 });
  Deno.chmodSync(containerState(paths, id), 0o700);
  await using view = await viewRoot(paths, {
    lower,
    container: undefined,
    isWritable: false,
    driver: "privileged",
    mounts: [],
  });
  const folder = libcCall("openat", AT_FDCWD, unfinished, O_PATH | O_DIRECTORY | O_CLOEXEC);
  const extractor = new Extractor(folder, {
    base: "",
    resolve: RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS,
    owner: undefined,
    changesBase: true,
    ids,
  });
  try {
    await writeTree(view.fd, extractor);
    extractor.finish();
  } finally {
    extractor.close();
    libcCall("close", folder);
  }
  Deno.renameSync(unfinished, target);
}

async function writeTree(root: number, extractor: Extractor): Promise<void> {
  const warn = (text: string) => log.warn(text);
  await using tar = new TarWriter(extractor);
  using tree = new TreeArchive(tar, warn);
  for (const found of walk(root, warn, { withRoot: true })) await tree.add(found);
  await tar.finish();
}
