/**
 * What a layer's tar makes, in memory: which names exist, which of them are directories, links and whiteouts. Every question about
 * a path is answered here, never by the file system, so no symlink of an image is ever followed on the host, and the unpacked
 * and the archived layer look the same.
 */
import { type ByteString, quoteName } from "../tar/byte_string.ts";
import { fileSize, type TarEntry } from "../tar/decoder.ts";
import { TarError } from "../tar/fields.ts";
import type { Budget } from "./budget.ts";

export interface Directory {
  readonly kind: "directory";
  /** Where it is; the root has neither. */
  readonly parent: Directory | undefined;
  readonly name: ByteString;
  readonly children: Map<ByteString, Node>;
  /** Whether it hides what lower layers have in it. */
  opaque: boolean;
  /** The header it has its attributes from; undefined when it is only there because of what is in it. */
  entry: TarEntry | undefined;
}

export interface Symlink {
  readonly kind: "symlink";
  readonly target: ByteString;
  readonly entry: TarEntry;
}

export interface File {
  readonly kind: "file";
  readonly entry: TarEntry;
  /** Where its data start, in the uncompressed tar. */
  readonly offset: number;
}

/** A device or a FIFO; and a file that is not kept. */
export interface Other {
  readonly kind: "other";
  /** undefined when it is not kept: then its name is taken, and that is all. */
  readonly entry: TarEntry | undefined;
}

/** Hides what lower layers have under this name. */
export interface Whiteout {
  readonly kind: "whiteout";
}

export type Node = Directory | Symlink | File | Other | Whiteout;

/** One and the same for all: a layer can have millions. */
const OTHER: Other = { kind: "other", entry: undefined };
const WHITEOUT: Whiteout = { kind: "whiteout" };

/** Linux follows as many in one path (path_resolution(7)). */
export const MAX_SYMLINKS = 40;

/** PATH_MAX without the NUL: longer paths cannot be given to Linux. */
const MAX_PATH = 4095;

/** NAME_MAX. */
const MAX_NAME = 255;

const TOO_LONG = `a part of its name is longer than ${MAX_NAME} bytes`;

/** Names that layers use for what is gone (OCI image-spec, layer.md, "Whiteouts"). */
const WHITEOUT_PREFIX = ".wh.";
const OPAQUE_MARK = ".wh..wh..opq";

/** A name in a directory, and what an entry put there. */
export interface Placement {
  readonly parent: Directory;
  readonly name: ByteString;
  readonly node: Node;
  /** What was there before, in the same layer. */
  readonly replaced: Node | undefined;
  /** For a hard link: the name that it shares its file with. */
  readonly target?: { readonly parent: Directory; readonly name: ByteString };
}

/** A directory's path below the layer's root, `.` for the root itself. @throws {TarError} when it is too long for Linux */
export function pathOf(directory: Directory): ByteString {
  if (directory.parent === undefined) return ".";
  let path = directory.name;
  for (let above = directory.parent; above.parent !== undefined; above = above.parent) {
    path = `${above.name}/${path}`;
    if (path.length > MAX_PATH) throw new TarError("its path is longer than 4095 bytes");
  }
  return path;
}

function newDirectory(
  parent: Directory | undefined,
  name: ByteString,
  replaced: Node | undefined,
): Directory {
  // where the same layer has a whiteout, lower layers' content is gone, and the directory is a new one
  return {
    kind: "directory",
    parent,
    name,
    children: new Map(),
    opaque: replaced?.kind === "whiteout",
    entry: undefined,
  };
}

/** The parts of a path between its slashes, without those that say nothing. */
export function pathParts(path: ByteString): ByteString[] {
  return path.split("/").filter((part) => part !== "" && part !== ".");
}

/** The same of an entry's name, `..` resolved by the name alone, as docker does. */
function nameParts(name: ByteString): ByteString[] {
  if (name.length > MAX_PATH) throw new TarError("its name is longer than 4095 bytes");
  const parts: ByteString[] = [];
  for (const part of pathParts(name)) {
    if (part !== "..") parts.push(part);
    else if (parts.pop() === undefined) throw new TarError("its name leads out of the layer");
  }
  return parts;
}

/** Remember all files and devices. */
export const EVERYTHING = () => true;

/** Remember none. */
export const NOTHING = () => false;

export class LayerTree {
  readonly root: Directory = newDirectory(undefined, "", undefined);

  /** The directory that the previous entry was in, by its name as written: the next one is mostly in the same. */
  #lastFolder: { readonly name: ByteString; readonly directory: Directory } | undefined;

  /** Sum of the files' sizes, in bytes. */
  size = 0;

  /** What has several names: hard links. */
  readonly linked = new Set<Node>();

  /**
   * @param keeps of which files and devices to remember the headers, and where their data are
   * @param budget shared by the layers of an image
   * @param made told of each directory that an entry needs and nothing has made, before the entry's own placement
   */
  constructor(
    readonly keeps: (entry: TarEntry) => boolean,
    readonly budget: Budget,
    readonly made: (placement: Placement) => void = () => {},
  ) {}

  /**
   * Enters what an entry stands for.
   * @param offset where its data start
   * @returns what has to be made; undefined when it is there already or is no file of its own
   * @throws {TarError} when it must not be in a layer
   */
  add(entry: TarEntry, offset: number): Placement | undefined {
    this.budget.take(entry);
    const slash = entry.name.lastIndexOf("/", entry.name.length - 2);
    const name = entry.name.endsWith("/") ? entry.name.slice(slash + 1, -1) : entry.name.slice(slash + 1);
    if (name === "" || name === "." || name === "..") {
      return this.#addTo(nameParts(entry.name), entry, offset);
    }
    if (entry.name.length > MAX_PATH) throw new TarError("its name is longer than 4095 bytes");
    const folder = entry.name.slice(0, slash + 1);
    if (this.#lastFolder?.name !== folder) {
      this.#lastFolder = { name: folder, directory: this.#enter(nameParts(folder)) };
    }
    return this.#addIn(this.#lastFolder.directory, name, entry, offset);
  }

  #addTo(parts: ByteString[], entry: TarEntry, offset: number): Placement | undefined {
    const name = parts.pop();
    if (name !== undefined) return this.#addIn(this.#enter(parts), name, entry, offset);
    if (entry.type !== "directory") throw new TarError("it stands for the layer's root, but is no directory");
    this.root.entry = entry;
    return undefined;
  }

  #addIn(parent: Directory, name: ByteString, entry: TarEntry, offset: number): Placement | undefined {
    if (name.startsWith(WHITEOUT_PREFIX)) return this.#addWhiteout(parent, name);
    if (name.length > MAX_NAME) throw new TarError(TOO_LONG);
    const replaced = parent.children.get(name);
    switch (entry.type) {
      case "directory": {
        if (replaced?.kind === "directory") {
          replaced.entry = entry;
          return undefined;
        }
        const directory = newDirectory(parent, name, replaced);
        directory.entry = entry;
        return this.#place({ parent, name, node: directory, replaced });
      }
      case "hardlink": {
        const target = this.#linkTarget(entry.link, parent, name);
        return target === undefined ? undefined : this.#place({ parent, name, replaced, ...target });
      }
      case "symlink": {
        // symlink(2) makes none
        if (entry.link === "") throw new TarError("it is a symlink to nothing");
        if (entry.link.length > MAX_PATH) throw new TarError("its target is longer than 4095 bytes");
        return this.#place({ parent, name, node: { kind: "symlink", target: entry.link, entry }, replaced });
      }
      case "file":
        this.size += fileSize(entry);
        // holes cost an archive nothing, and a number that is not exact is none that the store could keep
        if (!Number.isSafeInteger(this.size)) {
          throw new TarError(`the layer's files have more than ${Number.MAX_SAFE_INTEGER} bytes`);
        }
        return this.#place({
          parent,
          name,
          node: this.keeps(entry) ? { kind: "file", entry, offset } : OTHER,
          replaced,
        });
      default: {
        // this device is how overlay writes a whiteout, and so it is one
        const isWhiteout = entry.type === "char" && entry.major === 0 && entry.minor === 0;
        const other = this.keeps(entry) ? { kind: "other", entry } as const : OTHER;
        return this.#place({ parent, name, node: isWhiteout ? WHITEOUT : other, replaced });
      }
    }
  }

  #place(placement: Placement): Placement {
    placement.parent.children.set(placement.name, placement.node);
    if (placement.replaced !== undefined) this.#lastFolder = undefined;
    return placement;
  }

  #addWhiteout(parent: Directory, name: ByteString): Placement | undefined {
    if (name === OPAQUE_MARK) {
      parent.opaque = true;
      return undefined;
    }
    const hidden = name.slice(WHITEOUT_PREFIX.length);
    // its own name may be longer: docker writes it into the tar, and never makes a file of it
    if (hidden.length > MAX_NAME) throw new TarError(TOO_LONG);
    // aufs kept its own records under such names; docker skips them as well
    if (hidden.startsWith(WHITEOUT_PREFIX)) return undefined;
    if (hidden === "" || hidden === "." || hidden === "..") throw new TarError("it is a whiteout of nothing");
    const present = parent.children.get(hidden);
    if (present === undefined) {
      return this.#place({ parent, name: hidden, node: WHITEOUT, replaced: undefined });
    }
    // "can only be hidden by whiteout files in subsequent layers": what the layer itself has, stays
    if (present.kind === "directory") present.opaque = true;
    return undefined;
  }

  /** What a hard link shares its file with; undefined when that is the very name that it has itself. */
  #linkTarget(link: ByteString, parent: Directory, name: ByteString) {
    const refuse = (why: string): never => {
      throw new TarError(`it is a hard link to ${quoteName(link)}, which ${why}`);
    };
    const parts = nameParts(link);
    const targetName = parts.pop() ?? refuse("is the layer's root");
    const folder = this.#find(parts) ?? refuse("is not in the layer");
    const node = folder.children.get(targetName);
    if (folder === parent && targetName === name && node?.kind !== "directory") {
      return node === undefined ? refuse("is not in the layer") : undefined;
    }
    for (let above: Directory | undefined = folder; above !== undefined; above = above.parent) {
      if (above.parent === parent && above.name === name) refuse("the link itself replaces");
    }
    if (node === undefined || node.kind === "whiteout") return refuse("is not in the layer");
    if (node.kind === "directory") return refuse("is a directory");
    this.linked.add(node);
    return { node, target: { parent: folder, name: targetName } };
  }

  /** The directory at a path; missing ones are made. */
  #enter(parts: readonly ByteString[]): Directory {
    return this.#walk(parts, true)!;
  }

  #find(parts: readonly ByteString[]): Directory | undefined {
    return this.#walk(parts, false);
  }

  /** Follows the layer's own symlinks, as if its root were the root of all (chroot(2)). */
  #walk(path: readonly ByteString[], make: boolean): Directory | undefined {
    // the parts that are left to go, the next one last
    const left = path.toReversed();
    let links = 0;
    let here = this.root;
    for (let part = left.pop(); part !== undefined; part = left.pop()) {
      if (part === "..") {
        here = here.parent ?? here;
        continue;
      }
      const child = here.children.get(part);
      if (child?.kind === "directory") {
        here = child;
      } else if (child?.kind === "symlink") {
        if (++links > MAX_SYMLINKS) throw new TarError("there are too many symlinks in its path");
        left.push(...pathParts(child.target).reverse());
        if (child.target.startsWith("/")) here = this.root;
      } else if (child !== undefined && child.kind !== "whiteout") {
        throw new TarError(`${quoteName(part)} in its path is not a directory`);
      } else if (make) {
        here = this.#makeDirectory(here, part, child);
      } else {
        return undefined;
      }
    }
    return here;
  }

  #makeDirectory(parent: Directory, name: ByteString, replaced: Node | undefined): Directory {
    if (name.length > MAX_NAME) throw new TarError(TOO_LONG);
    this.budget.takeDirectory();
    const node = newDirectory(parent, name, replaced);
    this.made(this.#place({ parent, name, node, replaced }));
    return node;
  }
}
