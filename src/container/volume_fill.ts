/**
 * What an image has in the place of a volume is copied into it, when a container first has the volume, and it is empty. A copy is made
 * beside the volume, and becomes its content when it is complete, name by name; whatever kills dhow meanwhile, the next use of the
 * volume finishes that, or begins anew. So no half of a copy is ever taken for all of it, and nothing that is in a volume is lost.
 */
import { join } from "@std/path";
import {
  O_CLOEXEC,
  O_DIRECTORY,
  O_PATH,
  RESOLVE_BENEATH,
  RESOLVE_IN_ROOT,
  RESOLVE_NO_MAGICLINKS,
  RESOLVE_NO_SYMLINKS,
} from "../../ffi/constants.ts";
import { Arena } from "../../ffi/arena.ts";
import { ELOOP, ENOENT, ENOTDIR } from "../../ffi/errno.ts";
import { pathExists } from "../../ffi/files.ts";
import { libcCall } from "../../ffi/table.ts";
import { Extractor } from "../image/extract/extractor.ts";
import { openBelow } from "../image/extract/paths.ts";
import { type ByteString, encodeText, toBytes } from "../image/tar/byte_string.ts";
import { TarWriter } from "../image/tar/writer.ts";
import { TreeArchive } from "../image/walk/archive.ts";
import { LIST_BUFFER, namesIn, openFolder } from "../image/walk/directory.ts";
import { walk } from "../image/walk/walker.ts";
import { log } from "../log.ts";
import { stepDone } from "../plan/fault.ts";
import { removeTree } from "../plan/undo.ts";
import type { Database } from "../state/database.ts";
import { type Paths, volumeData, volumesFolder } from "../state/paths.ts";
import { entriesIn } from "../state/read.ts";
import type { IdMappings } from "../plan/step.ts";
import { rootOnHost, toContainer, toHost } from "../security/id_mappings.ts";
import type { RunnableImage } from "./prepare.ts";
import { getContainer } from "./records.ts";
import { type RootView, viewRoot } from "./root_view.ts";
import { isRootless } from "../state/user_namespace.ts";
import { makeVolumeFolder } from "./volumes.ts";

interface Row {
  readonly volume: string;
  readonly target: string;
  readonly fill: number;
}

/**
 * Makes the folders of a container's volumes, and fills those that are empty. Safe to be repeated, and by several commands at once.
 * @throws {HostError} when the disk is full, say
 */
export async function fillVolumes(
  database: Database,
  paths: Paths,
  container: string,
  image: Pick<RunnableImage, "lower">,
): Promise<void> {
  const rows = database.all<Row>(
    "SELECT volume, target, fill FROM container_volumes WHERE container = ? ORDER BY target",
    container,
  );
  // root's containers see the files of volumes with other owners than they have
  const ids = isRootless() ? getContainer(database, container).config.options.ids : undefined;
  let view: RootView | undefined;
  const open = async () => {
    const source = { lower: image.lower, container: undefined, isWritable: false, mounts: [] };
    const { driver = isRootless() ? "user" : "privileged" } =
      getContainer(database, container).config.options;
    return view ??= await viewRoot(paths, { ...source, driver });
  };
  try {
    for (const { volume, target, fill } of rows) {
      makeVolumeFolder(paths, volume);
      await new VolumeFiller(paths, volume, ids).run(fill === 1 ? target : undefined, open);
    }
  } finally {
    await view?.[Symbol.asyncDispose]();
  }
  database.run("UPDATE container_volumes SET fill = 0 WHERE container = ?", container);
}

class VolumeFiller {
  readonly #folder: string;
  readonly #data: string;
  /** A copy that is not complete, and one that is, whose names are moved one by one. */
  readonly #copying: string;
  readonly #copied: string;

  /** @param ids of the container, if the files in the volume are to have them */
  constructor(paths: Paths, volume: string, readonly ids: IdMappings | undefined) {
    this.#folder = join(volumesFolder(paths), volume);
    this.#data = volumeData(paths, volume);
    this.#copying = join(this.#folder, "_copying");
    this.#copied = join(this.#folder, "_copied");
  }

  /** @param target where the image is to be looked at; undefined when nothing is to be copied */
  async run(target: string | undefined, open: () => Promise<RootView>): Promise<void> {
    using folder = Deno.openSync(this.#folder);
    await folder.lock(true); // until it is closed, by whatever
    removeTree(this.#copying);
    this.#move();
    if (target === undefined || entriesIn(this.#data).length > 0) return;
    const { fd } = await open();
    const source = openSource(fd, target);
    if (source === undefined) return this.#give();
    try {
      Deno.mkdirSync(this.#copying, { mode: 0o700 });
      await this.#copy(source);
    } catch (error) {
      // it may be what has filled the disk
      removeTree(this.#copying);
      throw error;
    } finally {
      libcCall("close", source);
    }
    stepDone();
    Deno.renameSync(this.#copying, this.#copied);
    this.#move();
  }

  /** Makes an empty volume the container's, if it would be nobody's there. */
  #give(): void {
    if (this.ids === undefined || toHost(this.ids.uids, toContainer(this.ids.uids, 0)) === 0) return;
    const { uid, gid } = rootOnHost(this.ids);
    Deno.chownSync(this.#data, uid, gid);
  }

  async #copy(source: number): Promise<void> {
    const target = openFolder(this.#copying);
    const resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS;
    const extractor = new Extractor(target, {
      base: "",
      resolve,
      owner: undefined,
      changesBase: true,
      ...(this.ids === undefined ? {} : { ids: this.ids }),
    });
    try {
      const warn = (text: string) => log.warn(text);
      {
        await using tar = new TarWriter(extractor);
        using tree = new TreeArchive(tar, warn);
        for (const found of walk(source, warn, { withRoot: true })) await tree.add(found);
        await tar.finish();
      }
      extractor.finish();
    } finally {
      extractor.close();
      libcCall("close", target);
    }
  }

  /** Moves what was copied into the volume. A name that has come into it meanwhile stays as it is. */
  #move(): void {
    if (!pathExists(this.#copied)) return;
    const info = Deno.statSync(this.#copied);
    const from = openFolder(this.#copied);
    const to = openFolder(this.#data);
    try {
      const there = new Set(allNames(to));
      // the names are whatever the image calls them: they are only ever used below a descriptor
      for (const name of allNames(from)) {
        const bytes = toBytes(name);
        if (!there.has(name)) libcCall("renameat", from, bytes, to, bytes);
      }
      libcCall("fchownat", to, ".", info.uid ?? 0, info.gid ?? 0, 0);
      libcCall("fchmodat", to, ".", info.mode! & 0o7777, 0);
      if (info.mtime !== null) Deno.utimeSync(this.#data, info.mtime, info.mtime);
    } finally {
      libcCall("close", from);
      libcCall("close", to);
    }
    removeTree(this.#copied);
  }
}

function allNames(folder: number): ByteString[] {
  const arena = new Arena(LIST_BUFFER);
  try {
    return namesIn(folder, arena, arena.address, Infinity) ?? [];
  } finally {
    arena.release();
  }
}

/** A descriptor of the folder that the image has there, its links being followed in it; undefined when it has none. */
function openSource(root: number, target: string): number | undefined {
  const resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  const flags = O_PATH | O_DIRECTORY | O_CLOEXEC;
  return openBelow(root, encodeText(target), flags, resolve, [ENOENT, ENOTDIR, ELOOP]);
}
