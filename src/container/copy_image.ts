/** Copies an image for a container with ids of its own, where its files cannot be shown with other owners. */
import { relative } from "@std/path";
import {
  AT_FDCWD,
  O_CLOEXEC,
  O_DIRECTORY,
  O_PATH,
  RESOLVE_BENEATH,
  RESOLVE_NO_SYMLINKS,
} from "../../ffi/constants.ts";
import { libcCall } from "../../ffi/table.ts";
import { Extractor } from "../image/extract/extractor.ts";
import { CopyStore } from "../image/store/copies.ts";
import { TarWriter } from "../image/tar/writer.ts";
import { TreeArchive } from "../image/walk/archive.ts";
import { walk } from "../image/walk/walker.ts";
import { log } from "../log.ts";
import type { IdMappings } from "../plan/step.ts";
import { stepDone } from "../plan/fault.ts";
import type { Lower } from "../rootfs/overlay.ts";
import { rootOnHost } from "../security/id_mappings.ts";
import type { Database } from "../state/database.ts";
import { containerState, type Paths } from "../state/paths.ts";
import { isRootless } from "../state/user_namespace.ts";
import { COPIED_TREE, copyLink, hasCopy } from "./copied_image.ts";
import { viewRoot } from "./root_view.ts";
import { writtenSize } from "./size.ts";

/**
 * Gives a container the copy of its image that has its ids: makes it, unless there is one. One copy is made at a time: another command
 * may need just this one.
 * @throws {HostError} when there is no space for it, or a file has an owner that the container has not
 */
export async function copyImage(
  { database, paths }: { readonly database: Database; readonly paths: Paths },
  id: string,
  ids: IdMappings,
  lower: () => Promise<Lower>,
): Promise<void> {
  if (hasCopy(paths, id)) return;
  const copies = new CopyStore(paths, database);
  const folder = copies.take(id, ids) ?? await makeCopy(copies, paths, id, ids, lower);
  const own = containerState(paths, id);
  Deno.mkdirSync(own, { recursive: true, mode: 0o700 });
  Deno.chmodSync(own, 0o700);
  Deno.symlinkSync(relative(own, folder), copyLink(paths, id));
}

async function makeCopy(
  copies: CopyStore,
  paths: Paths,
  id: string,
  ids: IdMappings,
  lower: () => Promise<Lower>,
): Promise<string> {
  copies.files.makeFolder();
  using lock = Deno.openSync(copies.files.folder);
  await lock.lock(true); // until it is closed, by whatever
  for (;;) {
    const folder = copies.take(id, ids);
    if (folder !== undefined) return folder;
    const number = copies.reserve(id, ids);
    try {
      const size = await writeCopy(paths, copies.folder(number), await lower(), ids);
      stepDone();
      copies.accept(number, size);
    } catch (error) {
      copies.files.discard(number);
      throw error;
    }
    // somebody may prune before it is this container's
  }
}

/** @returns how many bytes its files have */
async function writeCopy(paths: Paths, folder: string, lower: Lower, ids: IdMappings): Promise<number> {
  const target = `${folder}/${COPIED_TREE}`;
  Deno.mkdirSync(target, { recursive: true, mode: 0o755 });
  await using view = await viewRoot(paths, {
    lower,
    container: undefined,
    isWritable: false,
    driver: isRootless() ? "user" : "privileged",
    mounts: [],
  });
  const root = libcCall("openat", AT_FDCWD, target, O_PATH | O_DIRECTORY | O_CLOEXEC);
  const extractor = new Extractor(root, {
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
    libcCall("close", root);
  }
  const { uid, gid } = rootOnHost(ids);
  Deno.chmodSync(folder, 0o700);
  Deno.chownSync(folder, uid, gid);
  return writtenSize(target, (text) => log.warn(text));
}

async function writeTree(root: number, extractor: Extractor): Promise<void> {
  const warn = (text: string) => log.warn(text);
  await using tar = new TarWriter(extractor);
  using tree = new TreeArchive(tar, warn);
  for (const found of walk(root, warn, { withRoot: true })) await tree.add(found);
  await tar.finish();
}
