import { pathExists } from "../../../ffi/files.ts";
import { ImageError } from "../../errors.ts";
import { log } from "../../log.ts";
import { stepDone } from "../../plan/fault.ts";
import type { Database } from "../../state/database.ts";
import { IndexError } from "../erofs/index.ts";
import type { ImageFiles } from "../files/merged.ts";
import { interruptible } from "../interrupt.ts";
import { Budget } from "../layer/budget.ts";
import type { LayerTree } from "../layer/tree.ts";
import type { Progress } from "../progress.ts";
import type { LayerBlob, SourceImage } from "../source/source.ts";
import type { IndexStore } from "./indexes.ts";
import type { LayerForm, LayerStore } from "./layers.ts";

/** What a load works with. */
export interface LoadContext {
  readonly database: Database;
  readonly layers: LayerStore;
  readonly indexes: IndexStore;
  /** What is to be remembered of an image's files, as JSON can hold it. */
  readonly describe: (files: ImageFiles) => Promise<unknown>;
}

export interface LoadTarget {
  readonly form: LayerForm;
  /** References that point to the image from now on. */
  readonly tags: readonly string[];
  /** `repository@sha256:...`, by which registries have it. */
  readonly digests: readonly string[];
  /** The archive that `run` takes it from, as an absolute path; null when it was loaded. */
  readonly source: string | null;
  /** Whether the image is in the store, and may only be completed there. */
  readonly isStored: boolean;
  readonly progress: Progress;
}

/** One image on its way into the store, all or nothing. */
export class ImageLoad {
  /** Layers that this load has made, by diff id. They are not in the store until the image is. */
  readonly #made = new Map<string, number>();
  readonly #budget = new Budget();
  readonly #trees = new Map<string, LayerTree>();
  #index: { readonly number: number; readonly layers: readonly number[] } | undefined;
  /** Whether EROFS cannot describe it. */
  #isIndescribable = false;
  #facts: unknown;

  constructor(readonly context: LoadContext, readonly image: SourceImage, readonly target: LoadTarget) {}

  /**
   * @throws {ImageError} when a layer is damaged, or not the one that the config names
   * @throws {HostError} when there is no space left, or the file system refuses
   * @throws {InterruptedError} after SIGINT, SIGTERM or SIGHUP
   */
  async run(): Promise<void> {
    const { image, context } = this;
    try {
      do {
        const missing = this.#missing();
        if (missing.length > 0 || this.#needsIndex()) {
          await interruptible(`cannot load image ${image.tags[0] ?? image.id}`, async (signal) => {
            await this.#makeLayers(missing, signal);
            if (this.#needsIndex()) await this.#makeIndex(signal);
          });
        }
      } while (!this.#commit());
    } finally {
      // those that the commit took are no longer among them
      for (const number of this.#made.values()) context.layers.files.discard(number);
      if (this.#index !== undefined) context.indexes.files.discard(this.#index.number);
    }
  }

  get #diffIds(): readonly string[] {
    return this.image.config.diffIds;
  }

  /** The number under which a layer is in the store, or will be. */
  #number(diffId: string): number | undefined {
    return this.context.layers.find(diffId, this.target.form) ?? this.#made.get(diffId);
  }

  #missing(): string[] {
    return [...new Set(this.#diffIds)].filter((diffId) => this.#number(diffId) === undefined);
  }

  #needsIndex(): boolean {
    return this.target.form === "tar" && this.#index === undefined && !this.#isIndescribable &&
      this.context.indexes.find(this.#diffIds) === undefined;
  }

  /** Makes layers one after another, and enters them in `#made` before they are begun. */
  async #makeLayers(missing: readonly string[], signal: AbortSignal): Promise<void> {
    const { layers } = this.context;
    const { form, progress } = this.target;
    const wanted = new Map<string, LayerBlob>();
    for (const layer of this.image.layers) {
      if (missing.includes(layer.diffId) && !wanted.has(layer.diffId)) wanted.set(layer.diffId, layer);
    }
    // all are announced first, so that it can be told how much there is to do
    const announced = Array.from(
      wanted.values(),
      (layer) => [layer, progress.layer(layer.diffId, "Loading layer", layer.size)] as const,
    );
    for (const [layer, told] of announced) {
      const { diffId } = layer;
      const number = layers.reserve(diffId, form);
      this.#made.set(diffId, number);
      if (form === "folder") await layers.unpack(layer, number, signal, told);
      else this.#trees.set(diffId, await layers.copy(layer, number, this.#budget, signal, told));
      told.done("Loaded");
    }
  }

  async #makeIndex(signal: AbortSignal): Promise<void> {
    const { indexImage, openStoredLayers } = await import("./index_image.ts");
    const { layers, indexes, describe } = this.context;
    // one that was there before may have gone meanwhile: the commit finds out
    const numbers = this.#diffIds.map((diffId) => this.#number(diffId));
    if (!numbers.every((number) => number !== undefined)) return;
    using opened = openStoredLayers(layers, this.#diffIds, numbers, this.#trees, this.#budget);
    if (opened === undefined) return this.#checkLost(numbers);
    const number = indexes.reserve(this.#diffIds);
    this.#index = { number, layers: numbers };
    signal.throwIfAborted();
    try {
      this.#facts = await indexImage(indexes, number, opened.layers, describe);
    } catch (error) {
      if (!(error instanceof IndexError)) throw error;
      log.warn(`image ${this.image.tags[0] ?? this.image.id} has to be unpacked: ${error.message}`);
      this.#isIndescribable = true;
      this.#dropIndex();
    }
  }

  /**
   * A file of a layer is not there. If a removal took it, its row went first, and the commit finds out; if not, somebody
   * else did, and it would be missing in every further attempt as well.
   */
  #checkLost(numbers: readonly number[]): void {
    const { layers } = this.context;
    this.#diffIds.forEach((diffId, position) => {
      const number = numbers[position]!;
      if (pathExists(layers.tar(number)) || this.#number(diffId) !== number) return;
      throw new ImageError({
        what: `cannot use layer ${diffId} of the store`,
        why: `its file ${JSON.stringify(layers.tar(number))} is gone, though dhow did not remove it`,
        hint: "dhow image verify names the images that have it: remove them, and load them again",
      });
    });
  }

  #dropIndex(): void {
    if (this.#index !== undefined) this.context.indexes.files.discard(this.#index.number);
    this.#index = undefined;
  }

  /**
   * Puts the image into the store, and its layers and its index with it.
   * @returns false when something that was there before has gone meanwhile
   */
  #commit(): boolean {
    const { database, layers, indexes } = this.context;
    const taken: string[] = [];
    const isComplete = database.transaction(() => {
      if (this.#missing().length > 0) return false;
      const numbers = this.#diffIds.map((diffId) => this.#number(diffId)!);
      const isIndexed = indexes.find(this.#diffIds) !== undefined;
      if (!isIndexed && this.#needsIndex()) return false;
      // another load may have been faster with a layer: then the index is of one that goes
      const isOfOthers = this.#index?.layers.some((number) => !numbers.includes(number)) === true;
      if (!isIndexed && isOfOthers) {
        this.#dropIndex();
        return false;
      }
      for (const [diffId, number] of this.#made) {
        // another load may have been faster: then its layer is used, and this one goes
        if (!numbers.includes(number)) continue;
        layers.files.accept(number);
        taken.push(diffId);
      }
      if (!isIndexed && this.#index !== undefined) indexes.files.accept(this.#index.number);
      this.#insertImage();
      return true;
    });
    stepDone();
    for (const diffId of taken) this.#made.delete(diffId);
    if (isComplete && this.#index !== undefined) this.#forgetIndex();
    return isComplete;
  }

  /** The index is the store's now, or there was another one, and this one goes. */
  #forgetIndex(): void {
    const { indexes } = this.context;
    if (indexes.find(this.#diffIds)?.number === this.#index?.number) this.#index = undefined;
  }

  #insertImage(): void {
    const { database } = this.context;
    const { image, target } = this;
    const isKnown = database.get("SELECT 1 FROM images WHERE id = ?", image.id) !== undefined;
    if (!isKnown && target.isStored) {
      throw new ImageError({
        what: `cannot use image ${image.id}`,
        why: "it was removed from the store meanwhile",
        hint: "load or pull it again",
      });
    }
    if (!isKnown) this.#insertNew();
    if (!target.isStored && target.source === null) {
      database.run("UPDATE images SET source = NULL WHERE id = ?", image.id);
    }
    if (this.#facts !== undefined) {
      database.run("UPDATE images SET facts = ? WHERE id = ?", JSON.stringify(this.#facts), image.id);
    }
    for (const tag of target.tags) {
      database.run("INSERT OR REPLACE INTO tags (reference, image) VALUES (?, ?)", tag, image.id);
    }
    for (const name of target.digests) {
      const at = name.lastIndexOf("@");
      database.run(
        "INSERT OR REPLACE INTO digests (repository, digest, image) VALUES (?, ?, ?)",
        name.slice(0, at),
        name.slice(at + 1),
        image.id,
      );
    }
  }

  #insertNew(): void {
    const { database } = this.context;
    const { id, configText, manifest } = this.image;
    database.run(
      "INSERT INTO images (id, config, size, source, media_type) VALUES (?, ?, 0, ?, ?)",
      id,
      configText,
      this.target.source,
      manifest?.mediaType ?? null,
    );
    this.#diffIds.forEach((diffId, position) => {
      database.run(
        "INSERT INTO image_diff_ids (image, position, diff_id) VALUES (?, ?, ?)",
        id,
        position,
        diffId,
      );
    });
    database.run("UPDATE images SET size = ? WHERE id = ?", this.#contentSize(), id);
  }

  /**
   * Bytes of the files of all layers.
   * @throws {ImageError} when it is no number that can be kept: then whoever lists images would stumble over this one
   */
  #contentSize(): number {
    // sum() of integers gives one that JavaScript may not be able to hold, total() the nearest double
    const { size } = this.context.database.get<{ size: number }>(
      `SELECT total(layers.size) AS size FROM image_diff_ids JOIN layers USING (diff_id)
       WHERE image = ? AND ready AND form = ?`,
      this.image.id,
      this.target.form,
    )!;
    if (Number.isSafeInteger(size)) return size;
    throw new ImageError({
      what: `cannot load image ${this.image.tags[0] ?? this.image.id}`,
      why: `the files of its layers have more than ${Number.MAX_SAFE_INTEGER} bytes`,
    });
  }
}
