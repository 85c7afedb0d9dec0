import type { ByteString } from "../tar/byte_string.ts";
import { Budget } from "./budget.ts";
import type { CallQueue } from "./call_queue.ts";
import { type Descriptor, LayerFolder } from "./folder.ts";
import { isApart } from "./skeleton.ts";
import { type Directory, LayerTree, type Node, type Placement } from "./tree.ts";
import type { TarEntry } from "../tar/decoder.ts";
import type { SparseMap } from "../tar/sparse.ts";
import { TarStream } from "../tar/stream.ts";

/** A file whose data are being written. */
interface OpenFile {
  readonly placement: Placement;
  readonly entry: TarEntry;
  /** undefined until it is made, which is when its first data are there. */
  fd: Descriptor | undefined;
  /** How much of its data was written. */
  position: number;
  /** Of a file with holes: index of the piece that comes next in its map, and how much of that was written. */
  piece: number;
  inPiece: number;
}

/** Writes a layer's tar into a folder, in the form that overlay takes as a lower layer. Needs root. */
export class LayerUnpacker {
  readonly #tree = new LayerTree(
    isApart,
    new Budget(),
    (placement) => this.#makeDirectory(placement, placement.name),
  );
  readonly #queue: CallQueue;
  readonly #folder: LayerFolder;
  readonly #stream = new TarStream({
    entry: (entry, offset) => this.#unpack(entry, offset),
    data: (position, count) => this.#writeData(position, count),
  });
  /** Where what is fed lies in memory. */
  #address = 0;
  #file: OpenFile | undefined;
  /** Files whose data are in the folder only: how many there were in the tar, and which of them are there in the end. */
  #apart = 0;
  readonly #remaining = new Set<Node>();

  /**
   * @param queue makes the calls
   * @param root the folder: exists, is empty, and nobody else writes into it
   * @param trash another one on the same file system, for what is replaced
   * @param apart told where data are in the tar that belong into the folder only, before they come
   */
  constructor(
    queue: CallQueue,
    root: string,
    trash: string,
    readonly apart: (offset: number, size: number) => void,
  ) {
    this.#queue = queue;
    this.#folder = new LayerFolder(queue, root, trash);
  }

  /** Sum of the files' sizes, in bytes. */
  get size(): number {
    return this.#tree.size;
  }

  /** Whether the tar cannot be put together again without what the layer itself replaced. Known at the end. */
  get needsTrash(): boolean {
    return this.#remaining.size < this.#apart;
  }

  /** Whether the layer's root hides all lower layers. Overlay looks at no root for that, so whoever mounts has to. */
  get isOpaque(): boolean {
    return this.#tree.root.opaque;
  }

  /**
   * Takes the next part of the tar.
   * @param address where the bytes lie in memory until the queue is done with them
   * @throws {TarError} when it is not tar, or something is in it that must not be in a layer
   */
  feed(address: number, bytes: Uint8Array): void {
    this.#address = address;
    this.#stream.feed(bytes);
  }

  /**
   * Sets what can only be set when all is there: the directories' attributes.
   * @throws {TarError} when the tar is incomplete
   */
  finish(): void {
    this.#stream.finish();
    const { root } = this.#tree;
    const pending = [{ directory: root, isNew: root.opaque }];
    const reached: (readonly [parent: Directory, name: ByteString, directory: Directory])[] = [
      [root, ".", root],
    ];
    for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
      const { directory, isNew } = next;
      for (const [name, child] of directory.children) {
        if (child.kind === "file") this.#remaining.add(child);
        // where there is no lower directory, overlay lists names that a whiteout hides (Linux: fs/overlayfs/readdir.c)
        if (child.kind === "whiteout" && isNew) this.#folder.remove(directory, name);
        if (child.kind !== "directory") continue;
        reached.push([directory, name, child]);
        pending.push({ directory: child, isNew: isNew || child.opaque });
      }
    }
    for (const [parent, name, directory] of reached) this.#folder.setAttributes(parent, name, directory);
  }

  /** To be called when the queue is done. */
  close(): void {
    this.#folder.close();
  }

  /** Begins an entry. Returns whether it has data to come. */
  #unpack(entry: TarEntry, offset: number): boolean {
    const placement = this.#tree.add(entry, offset);
    if (placement === undefined) return false;
    if (entry.type !== "file" || placement.node.kind === "whiteout") {
      this.#make(placement, entry);
      return false;
    }
    this.#file = { placement, entry, fd: undefined, position: 0, piece: 0, inPiece: 0 };
    if (isApart(entry)) {
      this.#apart++;
      this.apart(offset, entry.size);
    }
    if (entry.size > 0) return true;
    this.#create(this.#file, true);
    this.#complete(this.#file);
    return false;
  }

  /** Makes whatever has no data. */
  #make(placement: Placement, entry: TarEntry): void {
    const { node, parent, target } = placement;
    if (node.kind === "directory") return this.#makeDirectory(placement, entry.name);
    const name = this.#folder.begin(placement, entry.name);
    if (node.kind === "whiteout") this.#folder.whiteout(name);
    else if (target !== undefined) this.#folder.link(parent, name, target);
    else if (node.kind === "symlink") this.#folder.symlink(placement, name, entry);
    else this.#folder.mknod(placement, name, entry);
  }

  #makeDirectory(placement: Placement, entryName: ByteString): void {
    this.#folder.mkdir(this.#folder.begin(placement, entryName));
  }

  #writeData(position: number, count: number): void {
    const file = this.#file!;
    const { entry } = file;
    const address = this.#address + position;
    // a group's own descriptors end with it: a file that takes longer gets one that stays
    if (file.fd === undefined) this.#create(file, count === entry.size && entry.sparse === undefined);
    else this.#queue.begin(entry.name);
    if (entry.sparse !== undefined) this.#writePieces(file, entry.sparse, address, count);
    else this.#queue.call("write", [file.fd!, address, count], { least: count });
    file.position += count;
    if (file.position === entry.size) this.#complete(file);
  }

  #create(file: OpenFile, isShort: boolean): void {
    file.fd = this.#folder.create(this.#folder.begin(file.placement, file.entry.name), file.entry, isShort);
  }

  #complete(file: OpenFile): void {
    this.#file = undefined;
    this.#folder.finish(file.fd!, file.placement, file.entry);
  }

  /** Writes `count` bytes of the data of a file with holes to where they belong. */
  #writePieces(file: OpenFile, { pieces }: SparseMap, address: number, count: number): void {
    let done = 0;
    while (done < count) {
      const offset = pieces[file.piece]! + file.inPiece;
      const length = Math.min(pieces[file.piece + 1]! - file.inPiece, count - done);
      if (length > 0) {
        this.#queue.begin(file.entry.name);
        this.#queue.call("pwrite", [file.fd!, address + done, length, offset], { least: length });
      }
      done += length;
      file.inPiece += length;
      if (file.inPiece === pieces[file.piece + 1]) {
        file.piece += 2;
        file.inPiece = 0;
      }
    }
  }
}
