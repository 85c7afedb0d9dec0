import { join } from "@std/path";
import { HostError, ImageError } from "../errors.ts";
import { stepDone } from "../plan/fault.ts";
import type { Database } from "../state/database.ts";
import { layersFolder, type Paths } from "../state/paths.ts";
import { identify, isAlive, type ProcessIdentity } from "../state/process_identity.ts";
import { type ImageConfig, parseImageConfig } from "./config.ts";
import type { ArchiveImage, LayerBlob } from "./docker_archive.ts";
import { interruptible } from "./interrupt.ts";
import { formatReference, parseReference } from "./reference.ts";

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

/** Added to a layer's number: the folder for what the layer itself replaces while it is unpacked. */
const TRASH_SUFFIX = ".replaced";

/** Images and their unpacked layers. */
export class ImageStore {
  readonly #layers: string;

  constructor(paths: Paths, readonly database: Database) {
    this.#layers = layersFolder(paths);
  }

  /**
   * Loads an image of an open archive, all or nothing. Layers that are in the store already are not even looked at in the archive.
   * @throws {ImageError} when a layer is damaged, or not the one that the config names
   * @throws {HostError} when there is no space left, or the file system refuses
   * @throws {InterruptedError} after SIGINT, SIGTERM or SIGHUP
   */
  async load(image: ArchiveImage, { tags, source }: LoadOptions): Promise<StoredImage> {
    /** Layers that this load has unpacked, by diff id. They are not in the store until the image is. */
    const unpacked = new Map<string, number>();
    try {
      do {
        const missing = image.layers.filter(({ diffId }) =>
          !unpacked.has(diffId) && this.#readyLayer(diffId) === undefined
        );
        if (missing.length > 0) {
          await this.#unpackAll(missing, unpacked, `image ${image.tags[0] ?? image.id}`);
        }
      } while (!this.#commit(image, tags, source ?? null, unpacked));
    } finally {
      // those that the commit took are no longer among them
      for (const number of unpacked.values()) this.#discard(number);
    }
    return this.#stored(image.id)!;
  }

  /** Unpacks layers one after another, each diff id once, and enters them in `unpacked` before they are begun. */
  #unpackAll(layers: readonly LayerBlob[], unpacked: Map<string, number>, image: string): Promise<void> {
    return interruptible(`cannot load ${image}`, async (signal) => {
      for (const layer of layers) {
        if (unpacked.has(layer.diffId)) continue;
        const number = this.#reserve(layer);
        unpacked.set(layer.diffId, number);
        await this.#unpack(layer, number, signal);
      }
    });
  }

  #readyLayer(diffId: string): number | undefined {
    return this.database.get<{ number: number }>(
      "SELECT number FROM layers WHERE diff_id = ? AND ready",
      diffId,
    )?.number;
  }

  /** Writes down that a layer is about to be made, so that it is removed should this process die. */
  #reserve(layer: LayerBlob): number {
    const owner = JSON.stringify(identify(Deno.pid));
    const number = this.database.run(
      "INSERT INTO layers (diff_id, owner) VALUES (?, ?)",
      layer.diffId,
      owner,
    );
    stepDone();
    return number;
  }

  async #unpack(layer: LayerBlob, number: number, signal: AbortSignal): Promise<void> {
    const root = join(this.#layers, String(number));
    const trash = root + TRASH_SUFFIX;
    try {
      // programs of images with setuid are none of the host users' business
      Deno.mkdirSync(this.#layers, { recursive: true, mode: 0o700 });
      Deno.mkdirSync(root);
      Deno.mkdirSync(trash, { mode: 0o700 });
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new HostError({ what: `cannot make a folder for ${layer.label}`, why, cause });
    }
    stepDone();
    // loaded only now: most runs find all layers in the store
    const { unpackLayer } = await import("./unpack_layer.ts");
    const { size, isOpaque } = await unpackLayer(layer, root, trash, signal);
    stepDone();
    Deno.removeSync(trash, { recursive: true });
    this.database.run(
      "UPDATE layers SET size = ?, opaque = ? WHERE number = ?",
      size,
      Number(isOpaque),
      number,
    );
  }

  /**
   * Puts the image into the store, and its layers with it.
   * @returns false when a layer that was there before has gone meanwhile
   */
  #commit(
    image: ArchiveImage,
    tags: readonly string[],
    source: string | null,
    unpacked: Map<string, number>,
  ): boolean {
    const { database } = this;
    const taken: string[] = [];
    const isComplete = database.transaction(() => {
      const numbers: number[] = [];
      for (const { diffId } of image.layers) {
        let number = this.#readyLayer(diffId);
        if (number === undefined) {
          number = unpacked.get(diffId);
          if (number === undefined) return false;
          database.run("UPDATE layers SET ready = 1 WHERE number = ?", number);
          taken.push(diffId);
        }
        numbers.push(number);
      }
      this.#insertImage(image, numbers, source);
      for (const tag of tags) {
        database.run("INSERT OR REPLACE INTO tags (reference, image) VALUES (?, ?)", tag, image.id);
      }
      return true;
    });
    stepDone();
    if (isComplete) { for (const diffId of taken) unpacked.delete(diffId); }
    return isComplete;
  }

  #insertImage(image: ArchiveImage, layers: readonly number[], source: string | null): void {
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
      .map(({ number }) => ({ number, path: join(this.#layers, String(number)) }));
  }

  /** Removes what loads have left behind that were killed. Costs almost nothing when there is nothing. */
  recover(): void {
    for (const name of this.#leftovers()) removeTree(join(this.#layers, name));
    const pending = this.database.all<{ number: number; owner: string }>(
      "SELECT number, owner FROM layers WHERE NOT ready",
    );
    for (const { number, owner } of pending) {
      if (!isAlive(JSON.parse(owner) as ProcessIdentity)) this.#remove(number);
    }
  }

  /** Folders that no row speaks of. They are listed before the rows, because a row is there before its folder. */
  #leftovers(): string[] {
    let folders: string[];
    try {
      folders = Array.from(Deno.readDirSync(this.#layers), ({ name }) => name);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return [];
      throw error;
    }
    const numbers = new Set(
      this.database.all<{ number: number }>("SELECT number FROM layers").map((row) => row.number),
    );
    return folders.filter((name) => !numbers.has(parseInt(name, 10)));
  }

  /** Removes a layer of this process that will not be in the store. */
  #discard(number: number): void {
    try {
      this.#remove(number);
    } catch {
      // what made the load fail is what the user has to hear of; recover() removes the layer once this process is gone
    }
  }

  /** Removes a layer that is not in the store: first its folders, then what speaks of them. */
  #remove(number: number): void {
    for (const suffix of ["", TRASH_SUFFIX]) removeTree(join(this.#layers, `${number}${suffix}`));
    this.database.run("DELETE FROM layers WHERE number = ?", number);
  }
}

/** Removes a folder and what is in it, without following symlinks; another dhow may be at it as well. */
function removeTree(path: string): void {
  while (true) {
    try {
      return Deno.removeSync(path, { recursive: true });
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
      if (!exists(path)) return;
    }
  }
}

function exists(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
