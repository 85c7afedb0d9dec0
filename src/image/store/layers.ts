import { HostError, ImageError } from "../../errors.ts";
import { stepDone } from "../../plan/fault.ts";
import { removeTree } from "../../plan/undo.ts";
import type { Database } from "../../state/database.ts";
import { layersFolder, type Paths } from "../../state/paths.ts";
import type { Budget } from "../layer/budget.ts";
import type { LayerTree } from "../layer/tree.ts";
import type { LayerProgress } from "../progress.ts";
import type { LayerBlob } from "../source/source.ts";
import { NumberedFiles } from "./numbered.ts";

/** How a layer is kept: as the tar that it is, for an EROFS index to point into, or unpacked, as a layer of overlay. */
export const FORMS = ["tar", "folder"] as const;
export type LayerForm = typeof FORMS[number];

/** Beside the folder of an unpacked layer: what the layer itself replaces, and the rest of its tar. */
const TRASH = ".replaced";
const SKELETON = ".skeleton";
const TAR = ".tar";

/** The store's layers. One layer may be there in both forms. */
export class LayerStore {
  readonly files: NumberedFiles;

  constructor(paths: Paths, readonly database: Database) {
    this.files = new NumberedFiles(database, "layers", layersFolder(paths), ["", TAR, TRASH, SKELETON]);
  }

  /** The folder of an unpacked layer. */
  folder(number: number): string {
    return this.files.path(number, "");
  }

  /** The tar of a layer that is kept as one. */
  tar(number: number): string {
    return this.files.path(number, TAR);
  }

  /**
   * Opens the uncompressed tar of a layer, in whatever form it is kept. The file may have zeros after it.
   * @throws {ImageError} when the store does not have it, or cannot put it together any more
   */
  async openTar(diffId: string): Promise<Deno.FsFile> {
    return this.find(diffId, "tar") === undefined ? await this.rebuild(diffId, false) : this.openKept(diffId);
  }

  /** The tar of a layer that is kept as one. @throws {ImageError} when the store does not have it */
  openKept(diffId: string): Deno.FsFile {
    const path = this.keptTar(diffId);
    try {
      return Deno.openSync(path);
    } catch (error) {
      // another command may have removed the image between the two
      if (error instanceof Deno.errors.NotFound && this.find(diffId, "tar") === undefined) missing(diffId);
      throw error;
    }
  }

  /** The path of a layer's tar. @throws {ImageError} when the store does not have the layer as one */
  keptTar(diffId: string): string {
    return this.tar(this.find(diffId, "tar") ?? missing(diffId));
  }

  /**
   * Puts the tar of an unpacked layer together.
   * @param all whether to take from its folder also what is kept elsewhere, in order to verify it
   * @throws {ImageError} when the store does not have it, or it is damaged
   */
  async rebuild(diffId: string, all: boolean): Promise<Deno.FsFile> {
    const number = this.find(diffId, "folder") ?? missing(diffId);
    const { rebuildTar } = await import("../layer/rebuild.ts");
    const path = (suffix: string) => this.files.path(number, suffix);
    const rebuilt = rebuildTar(path(SKELETON), path(""), path(TRASH), all);
    rebuilt.seekSync(0, Deno.SeekMode.Start);
    return rebuilt;
  }

  /** The number of the layer with a diff id; undefined when the store has none in that form. */
  find(diffId: string, form: LayerForm): number | undefined {
    return this.database.get<{ number: number }>(
      "SELECT number FROM layers WHERE diff_id = ? AND form = ? AND ready",
      diffId,
      form,
    )?.number;
  }

  /** Bytes of a layer's uncompressed tar. @throws {ImageError} when the store does not have it */
  tarSize(diffId: string): number {
    const row = this.database.get<{ size: number }>(
      "SELECT tar_size AS size FROM layers WHERE diff_id = ? AND ready",
      diffId,
    );
    return row?.size ?? missing(diffId);
  }

  /** Bytes of the tar of a layer with a number, whether it is ready or not. */
  sizeOf(number: number): number {
    const row = this.database.get<{ size: number }>(
      "SELECT tar_size AS size FROM layers WHERE number = ?",
      number,
    );
    return row?.size ?? 0;
  }

  /** Writes down that a layer is about to be made, so that it is removed should this process die. */
  reserve(diffId: string, form: LayerForm): number {
    return this.files.reserve({ diff_id: diffId, form });
  }

  /**
   * Unpacks a layer under the number that was reserved for it.
   * @throws {ImageError} when it is damaged, or not the one that its diff id says
   * @throws {HostError} when there is no space left, or the file system refuses
   */
  async unpack(
    layer: LayerBlob,
    number: number,
    signal: AbortSignal,
    progress: LayerProgress,
  ): Promise<void> {
    const root = this.folder(number);
    const trash = this.files.path(number, TRASH);
    try {
      Deno.mkdirSync(root);
      Deno.mkdirSync(trash, { mode: 0o700 });
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new HostError({ what: `cannot make a folder for ${layer.label}`, why, cause });
    }
    stepDone();
    // loaded only now: most runs find all layers in the store
    const { unpackLayer } = await import("../layer/unpack.ts");
    const { tarSize, size, isOpaque, needsTrash } = await unpackLayer(
      layer,
      root,
      trash,
      this.files.path(number, SKELETON),
      signal,
      progress,
    );
    stepDone();
    if (!needsTrash) removeTree(trash);
    this.#describe(number, tarSize, size, isOpaque);
  }

  /**
   * Copies a layer's tar under the number that was reserved for it.
   * @param budget of the image
   * @returns what it holds
   * @throws {ImageError} when it is damaged, or not the one that its diff id says
   * @throws {HostError} when there is no space left, or the file system refuses
   */
  async copy(
    layer: LayerBlob,
    number: number,
    budget: Budget,
    signal: AbortSignal,
    progress: LayerProgress,
  ): Promise<LayerTree> {
    const { copyLayer } = await import("../layer/copy.ts");
    const { tarSize, tree } = await copyLayer(layer, this.tar(number), budget, signal, progress);
    stepDone();
    this.#describe(number, tarSize, tree.size, tree.root.opaque);
    return tree;
  }

  #describe(number: number, tarSize: number, size: number, isOpaque: boolean): void {
    this.database.run(
      "UPDATE layers SET tar_size = ?, size = ?, opaque = ? WHERE number = ?",
      tarSize,
      size,
      Number(isOpaque),
      number,
    );
  }
}

function missing(diffId: string): never {
  throw new ImageError({
    what: `cannot find layer ${diffId} in the store`,
    hint: "load or pull its image again",
  });
}
