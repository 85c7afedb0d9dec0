import type { Lower } from "../../rootfs/overlay.ts";
import type { Database } from "../../state/database.ts";
import type { Paths } from "../../state/paths.ts";
import { ImageError } from "../../errors.ts";
import { type ImageConfig, parseImageConfig } from "../config.ts";
import type { ImageFiles } from "../files/merged.ts";
import { type Progress, QUIET } from "../progress.ts";
import { formatImageName, readImageName } from "../reference.ts";
import type { LayerBlob, SourceImage } from "../source/source.ts";
import { ArchiveCache } from "./archives.ts";
import { CopyStore } from "./copies.ts";
import { IndexStore } from "./indexes.ts";
import { type LayerForm, LayerStore } from "./layers.ts";
import type { LoadTarget } from "./load.ts";
import { LayerTar } from "./tar.ts";
import { chosenStorage, type IndexMount, type Storage } from "./storage.ts";

/** An image in the store. */
export interface StoredImage {
  /** `sha256:...` of its config. */
  readonly id: string;
  readonly config: ImageConfig;
  /** The config, byte for byte. */
  readonly configText: string;
  /** `name:tag`, sorted. */
  readonly tags: readonly string[];
  /** `repository@sha256:...` of the manifests that registries have of it, sorted. */
  readonly digests: readonly string[];
  /** Of all its layers' files, in bytes. */
  readonly size: number;
  /** Of the manifest that it came with; null when it came with none. */
  readonly mediaType: string | null;
}

export interface LoadOptions {
  /** References that point to the image from now on. */
  readonly tags: readonly string[];
  /** `repository@sha256:...`, by which registries have it. */
  readonly digests?: readonly string[];
  /** The archive that `run` takes it from, as an absolute path; absent for `load`. */
  readonly source?: string;
  readonly progress?: Progress;
}

interface ImageRow {
  readonly id: string;
  readonly config: string;
  readonly size: number;
  readonly media_type: string | null;
}

const IMAGE_COLUMNS = "id, config, size, media_type";

/** What a store needs to be told by the parts of dhow above it. */
export interface StoreOptions {
  /** The storage that the user wants; undefined for the best that the host has. */
  readonly storage: Storage | undefined;
  /** What is to be remembered of an image's files, as JSON can hold it. */
  readonly describe: (files: ImageFiles) => Promise<unknown>;
}

/** Images and their layers. */
export class ImageStore {
  readonly layers: LayerStore;
  readonly indexes: IndexStore;
  readonly archives: ArchiveCache;
  readonly copies: CopyStore;

  constructor(readonly paths: Paths, readonly database: Database, readonly options: StoreOptions) {
    this.layers = new LayerStore(paths, database);
    this.indexes = new IndexStore(paths, database);
    this.archives = new ArchiveCache(database, this.indexes);
    this.copies = new CopyStore(paths, database);
  }

  /** How images are kept and mounted on this host. @throws {HostError} when the user wants what the host cannot */
  storage(): Promise<Storage> {
    return chosenStorage(this.paths, this.database, this.options.storage);
  }

  /**
   * Loads an image of an open source, all or nothing. Layers that are in the store already are not even looked at in the
   * source.
   * @throws {ImageError} when a layer is damaged, or not the one that the config names
   * @throws {HostError} when there is no space left, or the file system refuses
   * @throws {InterruptedError} after SIGINT, SIGTERM or SIGHUP
   */
  async load(
    image: SourceImage,
    { tags, digests = [], source, progress = QUIET }: LoadOptions,
  ): Promise<StoredImage> {
    const form = await this.storage() === "unpacked" ? "folder" : "tar";
    const target = { form, tags, digests, source: source ?? null, isStored: false, progress } as const;
    await this.#load(image, target);
    return this.#stored(image.id)!;
  }

  async #load(image: SourceImage, target: LoadTarget): Promise<void> {
    // loaded only now: most runs find the image in the store
    const { ImageLoad } = await import("./load.ts");
    const { database, layers, indexes, options: { describe } } = this;
    await new ImageLoad({ database, layers, indexes, describe }, image, target).run();
  }

  /**
   * What a container's overlay lies over, for an image of the store: layers that are missing in the form that the
   * storage needs are made from the other form.
   * @throws {ImageError} when the image is not in the store any more
   * @throws {HostError} when there is no space left for them
   */
  async lower(image: StoredImage, storage?: Storage): Promise<Lower> {
    const mount = storage ?? await this.storage();
    if (mount !== "unpacked") {
      const lower = this.#indexed(image, mount) ??
        (await this.#complete(image, "tar"), this.#indexed(image, mount));
      if (lower !== undefined) return lower;
    }
    const folders = this.unpacked(image);
    if (folders !== undefined) return folders;
    await this.#complete(image, "folder");
    return this.unpacked(image)!;
  }

  #indexed({ config: { diffIds } }: StoredImage, mount: IndexMount): Lower | undefined {
    const index = this.indexes.find(diffIds);
    if (index === undefined) return undefined;
    const { paths } = this;
    const relative = (path: string) => path.slice(paths.state.length + 1);
    return {
      kind: "erofs",
      loop: mount === "loop",
      folder: paths.state,
      index: relative(index.path),
      devices: index.devices.map((number) => relative(this.layers.tar(number))),
    };
  }

  /**
   * Folders of an image's layers, as overlay stacks them. A layer that hides all below it is the last.
   * @returns undefined when it is not unpacked
   */
  unpacked({ id: imageId }: StoredImage): Extract<Lower, { kind: "folders" }> | undefined {
    const rows = this.database.all<{ number: number | null; opaque: number }>(
      `SELECT number, opaque FROM image_diff_ids
         LEFT JOIN layers ON layers.diff_id = image_diff_ids.diff_id AND form = 'folder' AND ready
       WHERE image = ? ORDER BY position DESC`,
      imageId,
    );
    const opaque = rows.findIndex((row) => row.opaque === 1);
    const used = rows.slice(0, opaque === -1 ? rows.length : opaque + 1);
    // overlay takes no folder twice (ELOOP); all that the lower one has, the upper one has as well
    const numbers = [...new Set(used.map(({ number }) => number))];
    if (!numbers.every((number) => number !== null)) return undefined;
    return { kind: "folders", layers: numbers.map((number) => this.layers.folder(number)) };
  }

  /** Paths of an image's layers that are kept as tars, lowest first. @throws {ImageError} when one is not */
  tars({ config: { diffIds } }: StoredImage): string[] {
    return diffIds.map((diffId) => this.layers.keptTar(diffId));
  }

  /** Makes what an image of the store lacks in a form. */
  async #complete({ id, config, configText }: StoredImage, form: LayerForm): Promise<void> {
    using opened = this.openLayers(config.diffIds);
    const image: SourceImage = { id, config, configText, tags: [], layers: opened.layers };
    const isStored = true;
    await this.#load(image, { form, tags: [], digests: [], source: null, isStored, progress: QUIET });
  }

  /** Layers of the store, as a source of their uncompressed tars: each is opened when it is asked for. */
  openLayers(diffIds: readonly string[]): { readonly layers: readonly LayerBlob[] } & Disposable {
    const files: Deno.FsFile[] = [];
    const layers = diffIds.map((diffId): LayerBlob => ({
      name: diffId,
      label: `layer ${diffId} of the store`,
      diffId,
      size: this.layers.tarSize(diffId),
      range: async () => {
        const file = await this.layers.openTar(diffId);
        files.push(file);
        return { file, offset: 0, size: this.layers.tarSize(diffId) };
      },
    }));
    return { layers, [Symbol.dispose]: () => files.forEach((file) => file.close()) };
  }

  /** The uncompressed tar of a layer. @throws {ImageError} when the store does not have it */
  openTar(diffId: string): LayerTar {
    return new LayerTar(this.layers, diffId);
  }

  /** What is to be remembered of an image's files, found out from its layers, wherever they are. */
  async describe(image: StoredImage): Promise<unknown> {
    const folders = this.unpacked(image);
    if (folders !== undefined) {
      const { unpackedFiles } = await import("../files/unpacked.ts");
      return await this.options.describe(unpackedFiles(folders.layers));
    }
    const { archivedFiles } = await import("../files/archived.ts");
    using opened = this.openLayers(image.config.diffIds);
    return await this.options.describe(archivedFiles(opened.layers.map((blob) => ({ blob }))));
  }

  /** Whether an image is in the store. */
  holds(imageId: string): boolean {
    return this.database.get("SELECT 1 FROM images WHERE id = ?", imageId) !== undefined;
  }

  /**
   * Finds an image by a name (`name`, `name:tag`, `name@sha256:...`), its id, or the start of its id.
   * @returns undefined when there is none
   * @throws {ImageError} when several ids start like that
   */
  find(name: string): StoredImage | undefined {
    const id = this.#idOfName(name) ?? this.#idOfPrefix(name);
    return id === undefined ? undefined : this.#stored(id);
  }

  #idOfName(text: string): string | undefined {
    const name = readImageName(text);
    if (name === undefined) return undefined;
    const row = name.digest === undefined
      ? this.database.get<{ image: string }>(
        "SELECT image FROM tags WHERE reference = ?",
        formatImageName(name),
      )
      : this.database.get<{ image: string }>(
        "SELECT image FROM digests WHERE repository = ? AND digest = ?",
        name.repository,
        name.digest,
      );
    return row?.image;
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
    const row = this.database.get<ImageRow>(`SELECT ${IMAGE_COLUMNS} FROM images WHERE id = ?`, id);
    return row === undefined ? undefined : this.#fromRow(row);
  }

  #fromRow({ id, config, size, media_type: mediaType }: ImageRow): StoredImage {
    const tags = this.database
      .all<{ reference: string }>("SELECT reference FROM tags WHERE image = ? ORDER BY reference", id)
      .map(({ reference }) => reference);
    const digests = this.database
      .all<{ name: string }>(
        "SELECT repository || '@' || digest AS name FROM digests WHERE image = ? ORDER BY name",
        id,
      )
      .map(({ name }) => name);
    const parsed = parseImageConfig(config, `the config of image ${id}`);
    return { id, config: parsed, configText: config, tags, digests, size, mediaType };
  }

  /** All images. */
  list(): StoredImage[] {
    return this.database.all<ImageRow>(`SELECT ${IMAGE_COLUMNS} FROM images`).map((row) =>
      this.#fromRow(row)
    );
  }

  /** What is to be remembered of an image's files: they never change, so it is found out once. */
  async facts(image: StoredImage): Promise<unknown> {
    const row = this.database.get<{ facts: string | null }>(
      "SELECT facts FROM images WHERE id = ?",
      image.id,
    );
    if (row !== undefined && row.facts !== null) return JSON.parse(row.facts);
    const facts = await this.describe(image);
    this.database.run("UPDATE images SET facts = ? WHERE id = ?", JSON.stringify(facts), image.id);
    return facts;
  }
}
