/** Small files of an image, such as /etc/passwd, as its containers will see them, without mounting anything. */
import { ImageError } from "../../errors.ts";
import { type ByteString, encodeText } from "../tar/byte_string.ts";
import { MAX_SYMLINKS, pathParts } from "../layer/tree.ts";

export interface ImageFiles {
  /**
   * Reads a regular file of the image; symlinks lead to other files of the image only.
   * @param path as in the container
   * @param limit the largest size in bytes that is not refused
   * @returns undefined when the image has no regular file there
   * @throws {ImageError} when it is larger than `limit`, or the image is damaged
   */
  read(path: string, limit: number): Promise<Uint8Array | undefined>;
  /**
   * Whether a path is itself a symlink.
   * @param path as in the container; all before its last part are directories
   */
  isLink(path: string): Promise<boolean>;
}

/** Something in a directory of one layer. `D` is what the layer knows a directory by. */
export type LayerChild<D> =
  | { readonly kind: "directory"; readonly directory: D; readonly opaque: boolean }
  | { readonly kind: "symlink"; readonly target: ByteString }
  | { readonly kind: "file"; readonly size: number; readonly read: () => Promise<Uint8Array> }
  /** Anything else, a whiteout for one: it is no file, and hides what lower layers have. */
  | { readonly kind: "other" };

/** One layer, by itself. */
export interface LayerView<D> {
  root(): Promise<D>;
  /** undefined when the layer says nothing about that name. */
  child(directory: D, name: ByteString): LayerChild<D> | undefined;
}

/** The layers of an image, merged as overlay merges them (kernel's Documentation/filesystems/overlayfs.rst). */
export class MergedFiles<D> implements ImageFiles {
  /** @param layers top to bottom */
  constructor(readonly layers: readonly LayerView<D>[]) {}

  async read(path: string, limit: number): Promise<Uint8Array | undefined> {
    const found = await this.#resolve(encodeText(path));
    if (found?.kind !== "file") return undefined;
    if (found.size > limit) {
      throw new ImageError({
        what: `cannot read ${JSON.stringify(path)} of the image`,
        why: `it has ${found.size} bytes, more than ${limit}`,
      });
    }
    return await found.read();
  }

  async isLink(path: string): Promise<boolean> {
    return (await this.#lookUp(pathParts(encodeText(path))))?.kind === "symlink";
  }

  /** What is at a path, all symlinks followed with the image's root as the root of all. */
  async #resolve(path: ByteString): Promise<LayerChild<D> | undefined> {
    /** Directories that are known to be none but directories, from the root down. */
    let here: ByteString[] = [];
    // the parts that are left to go, the next one last
    const left = pathParts(path).reverse();
    let links = 0;
    for (let part = left.pop(); part !== undefined; part = left.pop()) {
      if (part === "..") {
        here.pop();
        continue;
      }
      const found = await this.#lookUp([...here, part]);
      if (found?.kind === "symlink") {
        if (++links > MAX_SYMLINKS) return undefined;
        left.push(...pathParts(found.target).reverse());
        if (found.target.startsWith("/")) here = [];
      } else if (found?.kind === "directory") {
        here.push(part);
      } else {
        return left.length === 0 ? found : undefined;
      }
    }
    return undefined;
  }

  /** What the topmost layer that has it has at a path. All parts but the last are directories. */
  async #lookUp(parts: readonly ByteString[]): Promise<LayerChild<D> | undefined> {
    for (const layer of this.layers) {
      let directory: D = await layer.root();
      let hidesLower = false;
      for (const [index, part] of parts.entries()) {
        const child = layer.child(directory, part);
        if (child === undefined) break;
        if (index === parts.length - 1) return child;
        // it hides what is below it, and is hidden itself by the directory that a layer above has here
        if (child.kind !== "directory") return undefined;
        directory = child.directory;
        hidesLower ||= child.opaque;
      }
      if (hidesLower) return undefined;
    }
    return undefined;
  }
}
