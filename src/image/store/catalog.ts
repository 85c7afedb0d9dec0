import { ImageError } from "../../errors.ts";
import { stepDone } from "../../plan/fault.ts";
import type { Database } from "../../state/database.ts";
import { isAlive, type ProcessIdentity } from "../../state/process_identity.ts";
import { chainIds } from "../chain_id.ts";
import type { Removal, RemovalSubject } from "../removal.ts";
import { formatReference, type Reference } from "../reference.ts";
import { contentOfLayers } from "./copies.ts";
import { FORMS } from "./layers.ts";
import type { ImageStore, StoredImage } from "./store.ts";
import { type CheckedLayer, verifyLayers } from "./verify.ts";

export interface RemovedLayer {
  readonly chainId: string;
  /** In bytes, as the store counts it. */
  readonly size: number;
}

/** What has gone. */
export interface Removed {
  readonly untagged: readonly string[];
  /** The image's id, if the image itself has gone. */
  readonly image: string | undefined;
  /** The highest first. */
  readonly layers: readonly RemovedLayer[];
}

/** The images of the store as the image verbs see them: looked at, named, removed and verified, but not mounted. */
export class ImageCatalog {
  readonly #database: Database;

  constructor(readonly store: ImageStore) {
    this.#database = store.database;
  }

  list(): StoredImage[] {
    return this.store.list();
  }

  /**
   * @param name a reference, an id, or the start of an id
   * @throws {ImageError} when there is no such image, or ids of several start like that
   */
  get(name: string): StoredImage {
    const image = this.find(name);
    if (image === undefined) throw new ImageError({ what: "No such image", why: name });
    return image;
  }

  /** The same; undefined when there is no such image. */
  find(name: string): StoredImage | undefined {
    return this.store.find(name);
  }

  /** Bytes of the files of each of an image's layers, lowest first. */
  layerSizes(id: string): number[] {
    return this.#database.all<{ size: number }>(
      `SELECT (SELECT max(size) FROM layers WHERE layers.diff_id = image_diff_ids.diff_id AND ready) AS size
         FROM image_diff_ids WHERE image = ? ORDER BY position`,
      id,
    ).map(({ size }) => size);
  }

  /** Makes a name stand for an image, whatever it stood for before. @throws {ImageError} when there is no such image */
  tag(name: string, reference: Reference): void {
    this.#database.transaction(() => {
      const { id } = this.get(name);
      this.#database.run(
        "INSERT OR REPLACE INTO tags (reference, image) VALUES (?, ?)",
        formatReference(reference),
        id,
      );
    });
  }

  /** Remembers by which manifest a registry has an image. One that is gone meanwhile needs no such memory. */
  addDigest(id: string, repository: string, digest: string): void {
    this.#database.run(
      "INSERT OR REPLACE INTO digests (repository, digest, image) SELECT ?, ?, id FROM images WHERE id = ?",
      repository,
      digest,
      id,
    );
  }

  /** The containers that use each image, by its id. */
  users(id: string): { id: string; running: boolean }[] {
    return this.#database.all<{ id: string; owner: string }>(
      "SELECT id, owner FROM containers WHERE image = ?",
      id,
    ).map(({ id, owner }) => ({ id, running: isAlive(JSON.parse(owner) as ProcessIdentity) }));
  }

  /**
   * Takes names away from an image, or removes it, and the layers that no other image has.
   * @param decide is called within the transaction, so that nothing changes between the decision and the deed
   * @throws {ImageError} when there is no such image, or what `decide` throws
   */
  remove(name: string, decide: (subject: RemovalSubject) => Removal): Removed {
    const { layers, indexes, copies } = this.store;
    const { removed, unused } = this.#database.transaction(() => {
      const image = this.get(name);
      const { untag, removesImage } = decide({ ...image, users: this.users(image.id) });
      for (const reference of untag) this.#untag(reference);
      const unused = removesImage ? this.#release(image) : NOTHING;
      const gone = { untagged: untag, image: removesImage ? image.id : undefined, layers: unused.layers };
      return { removed: gone, unused };
    });
    stepDone();
    for (const number of unused.copyNumbers) copies.files.discard(number);
    for (const number of unused.indexNumbers) indexes.files.discard(number);
    for (const number of unused.layerNumbers) layers.files.discard(number);
    return removed;
  }

  #untag(reference: string): void {
    const at = reference.indexOf("@");
    if (at === -1) this.#database.run("DELETE FROM tags WHERE reference = ?", reference);
    else {
      this.#database.run(
        "DELETE FROM digests WHERE repository = ? AND digest = ?",
        reference.slice(0, at),
        reference.slice(at + 1),
      );
    }
  }

  /** Removes an image's rows. What nobody else has belongs to this process from then on, until its files are gone. */
  #release({ id, config: { diffIds } }: StoredImage): Unused {
    const { layers, indexes, copies } = this.store;
    const sizes = this.layerSizes(id);
    const chain = chainIds(diffIds);
    this.#database.run("DELETE FROM images WHERE id = ?", id);
    const isUnused = (diffId: string) =>
      this.#database.get("SELECT 1 FROM image_diff_ids WHERE diff_id = ?", diffId) === undefined;
    const positions = diffIds.flatMap((diffId, position) =>
      diffIds.indexOf(diffId) === position && isUnused(diffId) ? [position] : []
    ).reverse();
    const layerNumbers = positions.flatMap((position) =>
      FORMS.flatMap((form) => layers.find(diffIds[position]!, form) ?? [])
    );
    const isShared = this.#hasSame(diffIds);
    const index = isShared ? undefined : indexes.find(diffIds)?.number;
    const indexNumbers = index === undefined ? [] : [index];
    for (const number of layerNumbers) layers.files.condemn(number);
    for (const number of indexNumbers) indexes.files.condemn(number);
    const condemned = isShared ? [] : copies.condemnUnused(contentOfLayers(diffIds));
    return {
      layers: positions.map((position) => ({ chainId: chain[position]!, size: sizes[position]! })),
      layerNumbers,
      indexNumbers,
      copyNumbers: condemned.map(({ number }) => number),
    };
  }

  /** Whether an image has just these layers. */
  #hasSame(diffIds: readonly string[]): boolean {
    const images = this.#database.all<{ image: string }>(
      "SELECT image FROM image_diff_ids WHERE position = ? AND diff_id = ?",
      diffIds.length - 1,
      diffIds.at(-1)!,
    );
    return images.some(({ image }) => {
      const found = this.store.find(image)?.config.diffIds;
      return found?.length === diffIds.length &&
        found.every((diffId, position) => diffId === diffIds[position]);
    });
  }

  /** Hashes an image's layers again. That a removal took it meanwhile is no damage. */
  async *verify({ id, config: { diffIds } }: StoredImage): AsyncGenerator<CheckedLayer> {
    for await (const layer of verifyLayers(this.store.layers, diffIds)) {
      if (layer.ok || this.store.holds(id)) yield layer;
    }
  }
}

/** What nobody has any more. */
interface Unused {
  readonly layers: readonly RemovedLayer[];
  readonly layerNumbers: readonly number[];
  readonly indexNumbers: readonly number[];
  readonly copyNumbers: readonly number[];
}

const NOTHING: Unused = { layers: [], layerNumbers: [], indexNumbers: [], copyNumbers: [] };
