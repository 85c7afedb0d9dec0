/**
 * A container's changes as a layer: what overlay keeps in its upper folder (Documentation/filesystems/overlayfs.rst), in the
 * words of a layer's tar (OCI image-spec, layer.md).
 */
import { S_IFDIR, S_IFREG, S_IFSOCK } from "../../ffi/constants.ts";
import { HostError } from "../errors.ts";
import { type ByteString, quoteName } from "../image/tar/byte_string.ts";
import type { TarEntry } from "../image/tar/decoder.ts";
import type { TarWriter } from "../image/tar/writer.ts";
import { type Described, TreeArchive } from "../image/walk/archive.ts";
import type { Stat } from "../image/walk/stat.ts";
import { type Found, walk } from "../image/walk/walker.ts";
import type { IdMappings } from "../plan/step.ts";
import { CONTAINER_FILES } from "../rootfs/etc_files.ts";
import type { OverlayDriver } from "../rootfs/overlay.ts";
import {
  isMark,
  isOpaque,
  isOpaqueMark,
  OPAQUE_MARK,
  referenceIn,
  WHITEOUT_PREFIX,
  whiteoutIn,
} from "./upper.ts";

/** Empty files that dhow makes where the image has none, for its own to be mounted on; and the folder that they are in. */
const OWN_FILES: readonly string[] = CONTAINER_FILES.map((path) => path.slice(1));
const OWN_FILES_FOLDER = "etc";

/** Folders that dhow makes where the image has none, to mount on (src/rootfs/mounts.ts). */
const OWN_FOLDERS: readonly string[] = ["dev", "proc", "sys"];

export interface LayerOptions {
  /** What has written them. */
  readonly driver: OverlayDriver;
  /** Told of what is left out. */
  readonly warn: (text: string) => void;
  readonly signal: AbortSignal;
  /** Of the container, if the files have the owners that they have on the host. */
  readonly ids?: IdMappings | undefined;
}

/**
 * Writes a container's changes as a layer's tar. Mount points that dhow has made are none of them.
 * @param upper a descriptor of overlay's upper folder; the container may go on changing it
 * @returns whether there were any
 * @throws {HostError} for what overlay did in a way that no layer can say
 */
export async function writeChanges(upper: number, tar: TarWriter, options: LayerOptions): Promise<boolean> {
  using tree = new TreeArchive(tar, options.warn, options.ids);
  const layer = new ChangeWriter(tar, tree, options);
  for (const found of walk(upper, options.warn)) {
    options.signal.throwIfAborted();
    await layer.add(found);
  }
  return layer.hasEntries;
}

class ChangeWriter {
  hasEntries = false;
  /** A folder whose name no layer can hold: what is in it goes with it. */
  #omitted: ByteString | undefined;
  /** A folder that is only a change if something in it is. */
  #held:
    | { readonly path: ByteString; readonly stat: Stat; readonly described: Described; isOpaque: boolean }
    | undefined;

  constructor(readonly tar: TarWriter, readonly tree: TreeArchive, readonly options: LayerOptions) {}

  async add(found: Found): Promise<void> {
    const { path, stat } = found;
    const { driver } = this.options;
    if (isBelow(path, this.#omitted) || stat.type === S_IFSOCK || isOwnFile(path, stat)) return;
    if (isMark(found, driver)) return await this.#addMark(found);
    const gone = whiteoutIn(found, driver);
    const seen = gone ?? path;
    const slash = seen.lastIndexOf("/") + 1;
    const name = seen.slice(slash);
    if (name.startsWith(WHITEOUT_PREFIX)) {
      this.#omitted = path;
      return this.options.warn(
        `${quoteName(path)} is left out: in a layer, such a name means something else`,
      );
    }
    if (gone !== undefined) {
      return await this.#mark(`${seen.slice(0, slash)}${WHITEOUT_PREFIX}${name}`, path, stat);
    }
    const described = this.tree.describe(found);
    this.#refuseUnsayable(path, described);
    if (isHeld(found, described)) {
      this.#held = { path, stat, described, isOpaque: isOpaque(stat, described.xattrs, driver) };
    } else {
      await this.#release(path);
      await this.tree.addDescribed(found, described);
      this.hasEntries = true;
      if (isOpaque(stat, described.xattrs, driver)) await this.#markOpaque(path, stat);
    }
  }

  /** Writes the folder that was held back, if a path is in it, and else forgets it. */
  async #release(path: ByteString): Promise<void> {
    const held = this.#held;
    this.#held = undefined;
    if (held === undefined || !isBelow(path, held.path)) return;
    await this.tar.header(held.described.entry);
    if (held.isOpaque) await this.#markOpaque(held.path, held.stat);
  }

  async #markOpaque(path: ByteString, stat: Stat): Promise<void> {
    await this.#mark(`${path}/${OPAQUE_MARK}`, path, stat);
  }

  async #addMark(found: Found): Promise<void> {
    if (!isOpaqueMark(found)) return;
    const folder = found.path.slice(0, found.path.lastIndexOf("/"));
    if (this.#held?.path === folder) this.#held.isOpaque = true;
    else await this.#markOpaque(folder, found.stat);
  }

  /** An empty file whose name says that something of the layers below is gone. */
  async #mark(name: ByteString, path: ByteString, { mtime }: Stat): Promise<void> {
    await this.#release(path);
    const entry: TarEntry = {
      type: "file",
      name,
      link: "",
      mode: 0o600,
      uid: 0,
      gid: 0,
      mtime: mtime.seconds,
      mtimeNanoseconds: mtime.nanoseconds,
      major: 0,
      minor: 0,
      size: 0,
      sparse: undefined,
      xattrs: undefined,
    };
    await this.tar.header(entry);
    this.hasEntries = true;
  }

  /** With redirect_dir and metacopy overlay only notes where the rest of a folder or a file is to be found. */
  #refuseUnsayable(path: ByteString, { xattrs }: Described): void {
    const option = referenceIn(xattrs, this.options.driver);
    if (option === undefined) return;
    throw new HostError({
      what: `cannot make a layer of ${quoteName(path)}`,
      why: `overlay has kept only a reference to what it was before (${option})`,
    });
  }
}

function isBelow(path: ByteString, folder: ByteString | undefined): boolean {
  return folder !== undefined && path.startsWith(`${folder}/`);
}

function isOwnFile(path: ByteString, { type, size, mode, links }: Stat): boolean {
  return OWN_FILES.includes(path) && type === S_IFREG && size === 0 && mode === 0o644 && links === 1;
}

/**
 * Whether a folder would not be there but for dhow. /etc is copied up when dhow puts a file into it; that changes its times of
 * modification and of change alike. If the container changed its attributes, the two differ, or it is not as everybody's is.
 */
function isHeld({ path, stat }: Found, { xattrs, entry }: Described): boolean {
  if (stat.type !== S_IFDIR) return false;
  if (OWN_FOLDERS.includes(path)) return true;
  const { mtime, ctime } = stat;
  return path === OWN_FILES_FOLDER && stat.mode === 0o755 && entry.uid === 0 && entry.gid === 0 &&
    xattrs.kept === undefined && mtime.seconds === ctime.seconds && mtime.nanoseconds === ctime.nanoseconds;
}
