/**
 * An EROFS index of an image: a read-only file system without file data of its own. Its files point into the layers' tars,
 * which are given to mount(2) as its extra devices. Any number of layers becomes one file system.
 */
import type { ByteString } from "../tar/byte_string.ts";
import { quoteName } from "../tar/byte_string.ts";
import { fileSize, type TarEntry } from "../tar/decoder.ts";
import type { File, LayerTree, Node, Other, Symlink } from "../layer/tree.ts";
import { keptXattrs } from "../layer/xattrs.ts";
import { ChunkError, type ChunkMap, copiedChunks, plainChunks, sparseChunks } from "./chunks.ts";
import { appendDirectory, type Dirent } from "./directory.ts";
import {
  type Attributes,
  BLOCK_SIZE,
  CHUNK_INDEXES,
  encodeChunk,
  encodeHead,
  encodeInode,
  FILE_TYPE,
  HOLE,
  INODE_DATA_FIELD,
  INODE_LINKS_FIELD,
  INODE_SIZE,
  INODE_SIZE_FIELD,
  INODE_SLOT,
  LAYOUT,
  MAX_BLOCKS,
  MAX_DEVICES,
  metadataOffset,
  setInt64,
} from "./format.ts";
import { GrowingBytes } from "./growing_bytes.ts";
import { mergedChildren, type MergedDirectory, mergedRoot } from "./merge.ts";
import { type EncodedXattrs, encodeXattrs, NO_XATTRS, XattrError } from "./xattrs.ts";

/** A layer to be indexed. */
export interface IndexedLayer {
  /** Of the uncompressed tar, with its files kept. */
  readonly tree: LayerTree;
  /** Which file the tar lies in: any number, the same for layers in one file. */
  readonly file: number;
  /** Where in that file the tar starts, and how large the file is, in bytes. */
  readonly offset: number;
  readonly fileSize: number;
}

/** Data that the index has to hold itself. */
export interface IndexCopy {
  readonly file: number;
  /** Where in that file, and where in the index. */
  readonly from: number;
  readonly to: number;
  readonly length: number;
}

export interface ImageIndex {
  /** The index's bytes, one part after another from its start. */
  readonly parts: readonly Uint8Array<ArrayBuffer>[];
  /** What comes after them, in a file with holes. */
  readonly copies: readonly IndexCopy[];
  /** Bytes of the index's file, holes included: a multiple of 512. */
  readonly size: number;
  /** The files that are its devices, in their order. */
  readonly devices: readonly number[];
  /** Sum of the sizes of the image's files, in bytes. */
  readonly contentSize: number;
}

/** The image holds something that EROFS cannot describe. It has to be unpacked. */
export class IndexError extends Error {
  override readonly name = "IndexError";
}

/**
 * Makes the index of an image.
 * @param layers lowest first, at least one
 * @throws {IndexError} when EROFS cannot describe the image
 */
export function makeIndex(layers: readonly IndexedLayer[]): ImageIndex {
  return new Indexer(layers).index();
}

const S_IFDIR = 0o040000;
const TYPE_BITS = {
  file: 0o100000,
  symlink: 0o120000,
  char: 0o020000,
  block: 0o060000,
  fifo: 0o010000,
} as const;

/** A directory whose inode is there, and whose entries are not. */
interface Pending {
  readonly merged: MergedDirectory;
  readonly nid: number;
  readonly parentNid: number;
}

class Indexer {
  /** Inodes; the first slot stays free, because some programs take inode number 0 for "no file". */
  readonly #meta = new GrowingBytes(1 << 20);
  /** Directories and long symlinks. */
  readonly #data = new GrowingBytes(1 << 20);
  /** Inodes whose data are there: where in the metadata their block number is. */
  readonly #inData: number[] = [];
  /** Chunks that are copies: where in the metadata their block numbers are, which count from the first copy on. */
  readonly #inCopies: number[] = [];
  readonly #copies: IndexCopy[] = [];
  #copiedBlocks = 0;
  readonly #devices: number[] = [];
  readonly #deviceBlocks: number[] = [];
  /** The inodes of what has several names. */
  readonly #linked = new Map<Node, number>();
  #inodes = 0;
  #contentSize = 0;
  readonly #pending: Pending[] = [];

  constructor(readonly layers: readonly IndexedLayer[]) {
    this.#meta.extend(INODE_SLOT);
  }

  index(): ImageIndex {
    const root = this.#addDirectory(mergedRoot(this.layers.map(({ tree }) => tree)), undefined);
    for (let next = this.#pending.pop(); next !== undefined; next = this.#pending.pop()) this.#fill(next);
    this.#meta.extend(-this.#meta.length & (BLOCK_SIZE - 1));
    const dataStart = metadataOffset(this.#devices.length) + this.#meta.length;
    const copyStart = dataStart + this.#data.length;
    this.#shift(this.#inData, dataStart / BLOCK_SIZE);
    this.#shift(this.#inCopies, copyStart / BLOCK_SIZE);
    const blocks = copyStart / BLOCK_SIZE + this.#copiedBlocks;
    if (blocks >= MAX_BLOCKS) throw new IndexError("the index would be larger than 2 TiB");
    const head = encodeHead({
      deviceBlocks: this.#deviceBlocks,
      blocks,
      inodes: this.#inodes,
      rootNid: root,
    });
    return {
      parts: [head, this.#meta.written, this.#data.written],
      copies: this.#copies.map((copy) => ({ ...copy, to: copy.to + copyStart })),
      size: blocks * BLOCK_SIZE,
      devices: this.#devices,
      contentSize: this.#contentSize,
    };
  }

  /** Makes block numbers that count from the start of a part count from the start of the index. */
  #shift(positions: readonly number[], start: number): void {
    const { words } = this.#meta;
    for (const position of positions) words[position / 4]! += start;
  }

  #addDirectory(merged: MergedDirectory, parentNid: number | undefined): number {
    const { entry } = merged[0].directory;
    const xattrs = describing(entry?.name ?? "/", () => this.#xattrs(entry));
    const mode = S_IFDIR | (entry?.mode ?? 0o755);
    const at = this.#addInode(entry, LAYOUT.plain, mode, 0, 0, xattrs, 0);
    const nid = at / INODE_SLOT;
    this.#pending.push({ merged, nid, parentNid: parentNid ?? nid });
    return nid;
  }

  /** Writes a directory's entries, and the inodes of what is in it. */
  #fill({ merged, nid, parentNid }: Pending): void {
    const entries: Dirent[] = [
      { name: ".", nid, type: FILE_TYPE.directory },
      { name: "..", nid: parentNid, type: FILE_TYPE.directory },
    ];
    let links = 2;
    for (const { name, node, layer } of mergedChildren(merged)) {
      if (!("kind" in node)) {
        links++;
        entries.push({ name, nid: this.#addDirectory(node, nid), type: FILE_TYPE.directory });
      } else {
        entries.push({ name, nid: this.#inodeOf(name, node, layer), type: FILE_TYPE[typeOf(node)] });
      }
    }
    // "." and ".." have no place of their own: names may sort before them
    entries.sort((a, b) => a.name < b.name ? -1 : 1);
    const block = this.#data.length / BLOCK_SIZE;
    const size = appendDirectory(entries, this.#data);
    const { words } = this.#meta;
    const at = nid * INODE_SLOT;
    setInt64(words, at + INODE_SIZE_FIELD, size);
    words[(at + INODE_DATA_FIELD) / 4] = block;
    this.#inData.push(at + INODE_DATA_FIELD);
    words[(at + INODE_LINKS_FIELD) / 4] = links;
  }

  #inodeOf(name: ByteString, node: File | Symlink | Other, layer: number): number {
    const known = this.#linked.get(node);
    if (known !== undefined) {
      this.#meta.words[(known * INODE_SLOT + INODE_LINKS_FIELD) / 4]!++;
      return known;
    }
    const nid = describing(node.entry?.name ?? name, () => this.#addFile(node, layer) / INODE_SLOT);
    if (this.layers[layer]!.tree.linked.has(node)) this.#linked.set(node, nid);
    return nid;
  }

  #addFile(node: File | Symlink | Other, layer: number): number {
    if (node.kind === "symlink") return this.#addSymlink(node);
    if (node.kind === "file") return this.#addRegularFile(node, this.layers[layer]!);
    const { entry } = node;
    if (entry === undefined) throw new Error("the layer's files were not kept");
    const mode = TYPE_BITS[typeOf(node)] | entry.mode;
    const device = encodeDevice(entry.major, entry.minor);
    return this.#addInode(entry, LAYOUT.plain, mode, 0, device, this.#xattrs(entry), 0);
  }

  #addSymlink({ entry, target }: Symlink): number {
    const xattrs = this.#xattrs(entry);
    const fixed = INODE_SIZE + xattrs.bytes.length;
    const mode = TYPE_BITS.symlink | 0o777;
    if (fixed + target.length > BLOCK_SIZE) {
      const block = this.#data.length / BLOCK_SIZE;
      this.#data.setString(this.#data.extend(roundUp(target.length, BLOCK_SIZE)), target);
      const at = this.#addInode(entry, LAYOUT.plain, mode, target.length, block, xattrs, 0);
      this.#inData.push(at + INODE_DATA_FIELD);
      return at;
    }
    // inode and target must lie in one block
    const left = BLOCK_SIZE - this.#meta.length % BLOCK_SIZE;
    if (left < fixed + target.length) this.#meta.extend(left);
    const at = this.#addInode(entry, LAYOUT.inline, mode, target.length, 0, xattrs, target.length);
    this.#meta.setString(at + fixed, target);
    return at;
  }

  #addRegularFile({ entry, offset }: File, layer: IndexedLayer): number {
    const size = fileSize(entry);
    this.#contentSize += size;
    const xattrs = this.#xattrs(entry);
    const mode = TYPE_BITS.file | entry.mode;
    if (size === 0) return this.#addInode(entry, LAYOUT.plain, mode, 0, 0, xattrs, 0);
    const start = layer.offset + offset;
    const direct = entry.sparse === undefined ? plainChunks(size, start) : sparseChunks(entry.sparse, start);
    const { map, device } = direct === undefined
      ? this.#copy(entry, start, layer.file)
      : { map: direct, device: this.#device(layer) };
    const chunksAt = roundUp(INODE_SIZE + xattrs.bytes.length, 8);
    const tail = chunksAt - INODE_SIZE - xattrs.bytes.length + 8 * map.blocks.length;
    const data = CHUNK_INDEXES | map.bits;
    const at = this.#addInode(entry, LAYOUT.chunks, mode, size, data, xattrs, tail);
    this.#addChunks(at + chunksAt, map, device);
    return at;
  }

  #addChunks(at: number, { blocks }: ChunkMap, device: number): void {
    const { words } = this.#meta;
    for (let index = 0, position = at; index < blocks.length; index++, position += 8) {
      const block = blocks[index]!;
      encodeChunk(words, position, block === HOLE ? 0 : device, block);
      if (device === 0 && block !== HOLE) this.#inCopies.push(position + 4);
    }
  }

  #copy({ sparse }: TarEntry, start: number, file: number): { map: ChunkMap; device: number } {
    const { map, copies, blocks } = copiedChunks(sparse!, start, this.#copiedBlocks);
    for (const { from, length, to } of copies) {
      this.#copies.push({ file, from, length, to: this.#copiedBlocks * BLOCK_SIZE + to });
    }
    this.#copiedBlocks += blocks;
    return { map, device: 0 };
  }

  /** The number of the device that a layer's file is: it is one only if a file points there. */
  #device({ file, fileSize }: IndexedLayer): number {
    const known = this.#devices.indexOf(file);
    if (known !== -1) return known + 1;
    if (this.#devices.length === MAX_DEVICES) throw new ChunkError("it needs too many devices");
    this.#devices.push(file);
    this.#deviceBlocks.push(Math.min(Math.ceil(fileSize / BLOCK_SIZE), MAX_BLOCKS));
    return this.#devices.length;
  }

  #xattrs(entry: TarEntry | undefined): EncodedXattrs {
    return entry?.xattrs === undefined ? NO_XATTRS : encodeXattrs(keptXattrs(entry));
  }

  /**
   * Adds an inode, its attributes, and room for what follows it. For the other parameters see encodeInode.
   * @param entry undefined for a directory that no header speaks of
   * @param tail bytes of what follows
   * @returns where it starts
   */
  #addInode(
    entry: TarEntry | undefined,
    layout: number,
    mode: number,
    size: number,
    data: number,
    xattrs: EncodedXattrs,
    tail: number,
  ): number {
    this.#inodes++;
    const at = this.#meta.extend(roundUp(INODE_SIZE + xattrs.bytes.length + tail, INODE_SLOT));
    encodeInode(this.#meta.words, at, layout, xattrs.count, mode, size, data, entry ?? NOBODYS);
    if (xattrs.count > 0) this.#meta.set(at + INODE_SIZE, xattrs.bytes);
    return at;
  }
}

/** Of what no header speaks of. */
const NOBODYS: Attributes = { uid: 0, gid: 0, mtime: 0, mtimeNanoseconds: 0 };

function typeOf(node: File | Symlink | Other): keyof typeof TYPE_BITS {
  if (node.kind !== "other") return node.kind;
  const type = node.entry?.type;
  if (type === "char" || type === "block" || type === "fifo") return type;
  throw new Error("the layer's files were not kept");
}

function roundUp(value: number, unit: number): number {
  return Math.ceil(value / unit) * unit;
}

/** The kernel's new_encode_dev(). */
function encodeDevice(major: number, minor: number): number {
  return ((minor & 0xff) | major << 8 | (minor & ~0xff) << 12) >>> 0;
}

/** @throws {IndexError} with the name, when EROFS cannot describe what is of it */
function describing<T>(name: ByteString, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof ChunkError || error instanceof XattrError)) throw error;
    throw new IndexError(`${quoteName(name)}: ${error.message}`, { cause: error });
  }
}
