import { ImageError } from "../../errors.ts";
import { stepDone } from "../../plan/fault.ts";
import type { Database } from "../../state/database.ts";
import type { Paths } from "../../state/paths.ts";
import { type ImageConfig, parseImageConfig } from "../config.ts";
import type { LayerBlob, SourceImage } from "../source/source.ts";
import { interruptible } from "../interrupt.ts";
import { LayerStore } from "./layers.ts";
import { formatReference, parseReference } from "../reference.ts";

/** An image in the store. */
export interface StoredImage {
  /** `sha256:...` of its config. */
  readonly id: string;
  readonly config: ImageConfig;
  /** `name:tag`, sorted. */
  readonly tags: readonly string[];
  /** Of all its layers, unpacked, in bytes. */
  readonly size: number;
}

/** An unpacked layer. */
export interface StoredLayer {
  /** Name of its folder in the layers folder: short, because overlay's options are. */
  readonly number: number;
  /** Absolute path of its folder. */
  readonly path: string;
}

export interface LoadOptions {
  /** References that point to the image from now on. */
  readonly tags: readonly string[];
  /** The archive that `run` takes it from, as an absolute path; absent for `load`. */
  readonly source?: string;
}

interface ImageRow {
  readonly id: string;
  readonly config: string;
  readonly size: number;
}

/** Images and their unpacked layers. */
export class ImageStore {
  readonly #layers: LayerStore;

  constructor(paths: Paths, readonly database: Database) {
    this.#layers = new LayerStore(paths, database);
  }

  /**
   * Loads an image of an open archive, all or nothing. Layers that are in the store already are not even looked at in the archive.
   * @throws {ImageError} when a layer is damaged, or not the one that the config names
   * @throws {HostError} when there is no space left, or the file system refuses
   * @throws {InterruptedError} after SIGINT, SIGTERM or SIGHUP
   */
  async load(image: SourceImage, { tags, source }: LoadOptions): Promise<StoredImage> {
    /** Layers that this load has unpacked, by diff id. They are not in the store until the image is. */
    const unpacked = new Map<string, number>();
    try {
      do {
        const missing = image.layers.filter(({ diffId }) =>
          !unpacked.has(diffId) && this.#layers.find(diffId) === undefined
        );
        if (missing.length > 0) {
          await this.#unpackAll(missing, unpacked, `image ${image.tags[0] ?? image.id}`);
        }
      } while (!this.#commit(image, tags, source ?? null, unpacked));
    } finally {
      // those that the commit took are no longer among them
      for (const number of unpacked.values()) this.#layers.discard(number);
    }
    return this.#stored(image.id)!;
  }

  /** Unpacks layers one after another, each diff id once, and enters them in `unpacked` before they are begun. */
  #unpackAll(layers: readonly LayerBlob[], unpacked: Map<string, number>, image: string): Promise<void> {
    return interruptible(`cannot load ${image}`, async (signal) => {
      for (const layer of layers) {
        if (unpacked.has(layer.diffId)) continue;
        const number = this.#layers.reserve(layer);
        unpacked.set(layer.diffId, number);
        await this.#layers.unpack(layer, number, signal);
      }
    });
  }

  /**
   * Puts the image into the store, and its layers with it.
   * @returns false when a layer that was there before has gone meanwhile
   */
  #commit(
    image: SourceImage,
    tags: readonly string[],
    source: string | null,
    unpacked: Map<string, number>,
  ): boolean {
    const { database } = this;
    const taken: string[] = [];
    const isComplete = database.transaction(() => {
      const numbers = image.layers.map(({ diffId }) => this.#layers.find(diffId) ?? unpacked.get(diffId));
      if (!numbers.every((number) => number !== undefined)) return false;
      for (const [diffId, number] of unpacked) {
        // another load may have been faster: then its layer is used, and this one goes
        if (!numbers.includes(number)) continue;
        this.#layers.accept(number);
        taken.push(diffId);
      }
      this.#insertImage(image, numbers, source);
      for (const tag of tags) {
        database.run("INSERT OR REPLACE INTO tags (reference, image) VALUES (?, ?)", tag, image.id);
      }
      return true;
    });
    stepDone();
    for (const diffId of taken) unpacked.delete(diffId);
    return isComplete;
  }

  #insertImage(image: SourceImage, layers: readonly number[], source: string | null): void {
    const { database } = this;
    const known = database.get<ImageRow>("SELECT id, config, size FROM images WHERE id = ?", image.id);
    if (known !== undefined) {
      if (source === null) database.run("UPDATE images SET source = NULL WHERE id = ?", image.id);
      return;
    }
    database.run(
      "INSERT INTO images (id, config, size, source) VALUES (?, ?, 0, ?)",
      image.id,
      image.configText,
      source,
    );
    layers.forEach((number, position) => {
      database.run(
        "INSERT INTO image_layers (image, position, layer) VALUES (?, ?, ?)",
        image.id,
        position,
        number,
      );
    });
    database.run(
      `UPDATE images SET size = (SELECT sum(layers.size) FROM image_layers JOIN layers ON number = layer WHERE image = id)
       WHERE id = ?`,
      image.id,
    );
  }

  /**
   * Finds an image by a reference (`name`, `name:tag`), its id, or the start of its id.
   * @returns undefined when there is none
   * @throws {ImageError} when several ids start like that
   */
  find(name: string): StoredImage | undefined {
    const id = this.#idOfReference(name) ?? this.#idOfPrefix(name);
    return id === undefined ? undefined : this.#stored(id);
  }

  #idOfReference(name: string): string | undefined {
    let reference: string;
    try {
      reference = formatReference(parseReference(name));
    } catch (error) {
      if (error instanceof ImageError) return undefined;
      throw error;
    }
    return this.database.get<{ image: string }>("SELECT image FROM tags WHERE reference = ?", reference)
      ?.image;
  }

  #idOfPrefix(name: string): string | undefined {
    const hex = name.replace(/^sha256:/, "");
    if (!/^[0-9a-f]{1,64}$/.test(hex)) return undefined;
    const [first, second] = this.database.all<{ id: string }>(
      "SELECT id FROM images WHERE id BETWEEN ? AND ? LIMIT 2",
      `sha256:${hex}`,
      `sha256:${hex}g`,
    );
    if (second !== undefined) {
      throw new ImageError({
        what: `cannot choose an image for ${JSON.stringify(name)}`,
        why: "several ids start like that",
        hint: "give more of the id",
      });
    }
    return first?.id;
  }

  #stored(id: string): StoredImage | undefined {
    const row = this.database.get<ImageRow>("SELECT id, config, size FROM images WHERE id = ?", id);
    return row === undefined ? undefined : this.#fromRow(row);
  }

  #fromRow({ id, config, size }: ImageRow): StoredImage {
    const tags = this.database
      .all<{ reference: string }>("SELECT reference FROM tags WHERE image = ? ORDER BY reference", id)
      .map(({ reference }) => reference);
    return { id, config: parseImageConfig(config, `the config of image ${id}`), tags, size };
  }

  /** All images. */
  list(): StoredImage[] {
    return this.database.all<ImageRow>("SELECT id, config, size FROM images").map((row) =>
      this.#fromRow(row)
    );
  }

  /** What overlay stacks for an image, top to bottom. A layer that hides all below it is the last. */
  layerTrees(imageId: string): StoredLayer[] {
    const rows = this.database.all<{ number: number; opaque: number }>(
      `SELECT number, opaque FROM image_layers JOIN layers ON number = layer WHERE image = ? ORDER BY position DESC`,
      imageId,
    );
    const opaque = rows.findIndex((row) => row.opaque === 1);
    return rows
      .slice(0, opaque === -1 ? rows.length : opaque + 1)
      .map(({ number }) => ({ number, path: this.#layers.path(number) }));
  }

  /** What `rememberFacts` was given for an image; undefined when nothing was. */
  facts(imageId: string): unknown {
    const row = this.database.get<{ facts: string | null }>("SELECT facts FROM images WHERE id = ?", imageId);
    return row?.facts === null || row === undefined ? undefined : JSON.parse(row.facts);
  }

  /** Keeps what was found out about an image's files: they never change. */
  rememberFacts(imageId: string, facts: unknown): void {
    this.database.run("UPDATE images SET facts = ? WHERE id = ?", JSON.stringify(facts), imageId);
  }

  /** Removes what loads have left behind that were killed. Costs almost nothing when there is nothing. */
  recover(): void {
    this.#layers.recover();
  }
}
