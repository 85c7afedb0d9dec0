import { ImageError } from "../../errors.ts";
import { stepDone } from "../../plan/fault.ts";
import type { Database } from "../../state/database.ts";
import type { Paths } from "../../state/paths.ts";
import { identify, isAlive, type ProcessIdentity } from "../../state/process_identity.ts";
import { chainIds } from "../chain_id.ts";
import type { Removal, RemovalSubject } from "../removal.ts";
import { formatReference, type Reference } from "../reference.ts";
import { LayerStore } from "./layers.ts";
import { ImageStore, type StoredImage } from "./store.ts";

/** An image, with all that is shown of it. */
export interface CatalogImage extends StoredImage {
  /** The config, byte for byte. */
  readonly configText: string;
  /** `name@sha256:...` */
  readonly digests: readonly string[];
}

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

/** The images of the store as the image verbs see them: looked at, named and removed, but not unpacked. */
export class ImageCatalog {
  readonly #store: ImageStore;
  readonly #layers: LayerStore;

  constructor(paths: Paths, readonly database: Database) {
    this.#store = new ImageStore(paths, database);
    this.#layers = new LayerStore(paths, database);
  }

  list(): CatalogImage[] {
    return this.#store.list().map((image) => this.#complete(image));
  }

  /**
   * @param name a reference, an id, or the start of an id
   * @throws {ImageError} when there is no such image, or ids of several start like that
   */
  get(name: string): CatalogImage {
    const image = this.find(name);
    if (image === undefined) throw new ImageError({ what: "No such image", why: name });
    return image;
  }

  /** The same; undefined when there is no such image. */
  find(name: string): CatalogImage | undefined {
    const image = this.#store.find(name);
    return image && this.#complete(image);
  }

  #complete(image: StoredImage): CatalogImage {
    const { config: configText } = this.database.get<{ config: string }>(
      "SELECT config FROM images WHERE id = ?",
      image.id,
    )!;
    return { ...image, configText, digests: [] };
  }

  /** Bytes of each of an image's layers, lowest first. */
  layerSizes(id: string): number[] {
    return this.database.all<{ size: number }>(
      "SELECT layers.size FROM image_layers JOIN layers ON number = layer WHERE image = ? ORDER BY position",
      id,
    ).map(({ size }) => size);
  }

  /** Makes a name stand for an image, whatever it stood for before. @throws {ImageError} when there is no such image */
  tag(name: string, reference: Reference): void {
    this.database.transaction(() => {
      const { id } = this.get(name);
      this.database.run(
        "INSERT OR REPLACE INTO tags (reference, image) VALUES (?, ?)",
        formatReference(reference),
        id,
      );
    });
  }

  /** The containers that use each image, by its id. */
  users(id: string): { id: string; running: boolean }[] {
    return this.database.all<{ id: string; owner: string }>(
      "SELECT id, owner FROM containers WHERE image = ?",
      id,
    )
      .map(({ id, owner }) => ({ id, running: isAlive(JSON.parse(owner) as ProcessIdentity) }));
  }

  /**
   * Takes names away from an image, or removes it and the layers that no other image has.
   * @param decide is called within the transaction, so that nothing changes between the decision and the deed
   * @throws {ImageError} when there is no such image, or what `decide` throws
   */
  remove(name: string, decide: (subject: RemovalSubject) => Removal): Removed {
    const unused: { number: number; layer: RemovedLayer }[] = [];
    const removed = this.database.transaction(() => {
      const image = this.get(name);
      const { untag, removesImage } = decide({ ...image, users: this.users(image.id) });
      for (const reference of untag) this.database.run("DELETE FROM tags WHERE reference = ?", reference);
      if (removesImage) unused.push(...this.#release(image));
      return { untagged: untag, image: removesImage ? image.id : undefined };
    });
    stepDone();
    for (const { number } of unused) this.#layers.discard(number);
    return { ...removed, layers: unused.map(({ layer }) => layer) };
  }

  /** Removes an image's rows. Layers that nobody else has belong to this process from then on, until their folders are gone. */
  #release({ id, config: { diffIds } }: CatalogImage): { number: number; layer: RemovedLayer }[] {
    const chain = chainIds(diffIds);
    const rows = this.database.all<{ number: number; size: number; position: number }>(
      `SELECT number, size, max(position) AS position FROM image_layers JOIN layers ON number = layer WHERE image = ?
       GROUP BY number ORDER BY position DESC`,
      id,
    );
    this.database.run("DELETE FROM images WHERE id = ?", id);
    const owner = JSON.stringify(identify(Deno.pid));
    const unused = rows.filter(({ number }) =>
      this.database.get("SELECT 1 FROM image_layers WHERE layer = ?", number) === undefined
    );
    for (const { number } of unused) {
      this.database.run("UPDATE layers SET ready = 0, owner = ? WHERE number = ?", owner, number);
    }
    return unused.map(({ number, size, position }) => ({
      number,
      layer: { chainId: chain[position]!, size },
    }));
  }
}
