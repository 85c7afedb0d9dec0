import { dirname } from "@std/path";
import { AT_FDCWD, O_CLOEXEC, O_DIRECTORY, O_NOFOLLOW, O_RDONLY } from "../../../ffi/constants.ts";
import { describeErrno, errnoOf, isNoSpace } from "../../../ffi/errno.ts";
import { libcCall } from "../../../ffi/table.ts";
import { HostError, ImageError } from "../../errors.ts";
import { openUnnamed } from "../unnamed_file.ts";
import { type ByteString, toBytes } from "../tar/byte_string.ts";
import type { TarEntry } from "../tar/decoder.ts";
import { TarError } from "../tar/fields.ts";
import { readAt } from "../read_at.ts";
import { readTar } from "../tar/reader.ts";
import { Budget } from "./budget.ts";
import { isApart, isTrashed } from "./skeleton.ts";
import { EVERYTHING, type File, LayerTree, type Node } from "./tree.ts";

const CHUNK_SIZE = 1 << 20;

/**
 * Puts a layer's tar together again.
 * @param skeleton path of it
 * @param root the folder that the layer was unpacked into
 * @param trash the folder with what the layer itself replaced
 * @param all whether to take small files from the folder as well, in order to verify them
 * @returns the tar, as a file without a name
 * @throws {ImageError} when a file is not in the folder, or not what it was
 * @throws {HostError} when there is no space left
 */
export function rebuildTar(skeleton: string, root: string, trash: string, all = false): Deno.FsFile {
  const rebuilt = openUnnamed(dirname(skeleton));
  let missing = "the rest of its tar";
  try {
    using source = Deno.openSync(skeleton);
    const { size } = source.statSync();
    const tree = new RecordedTree();
    for (const { entry, offset } of readTar({ file: source, offset: 0, size })) tree.add(entry, offset);
    let position = 0;
    for (const { node, path, isTrash } of tree.files()) {
      const { entry, offset } = node;
      if (entry.sparse !== undefined || !(all || isApart(entry))) continue;
      copy(source, position, rebuilt, position, offset - position);
      missing = new TextDecoder().decode(toBytes(path));
      using file = openIn(isTrash ? trash : root, path);
      if (file.statSync().size !== entry.size) throw new Changed();
      copy(file, 0, rebuilt, offset, entry.size);
      position = offset + entry.size;
      missing = "the rest of its tar";
    }
    copy(source, position, rebuilt, position, size - position);
    return rebuilt;
  } catch (error) {
    rebuilt.close();
    throw explained(error, root, missing);
  }
}

/** A file is not what it was when the layer was unpacked. */
class Changed extends Error {}

/** @param subject what was being read */
function explained(error: unknown, folder: string, subject: string): unknown {
  const what = `cannot put the layer in ${JSON.stringify(folder)} together`;
  const errno = errnoOf(error);
  if (isNoSpace(error)) {
    const hint = "make room there, or choose another place with --root";
    return new HostError({ what: `no space left: ${what}`, why: describeErrno(errno!), hint, cause: error });
  }
  const isDamage = error instanceof Changed || error instanceof TarError;
  if (errno === undefined && !isDamage) return error;
  return new ImageError({
    what,
    why: errno === undefined
      ? `${subject} is not what it was when it was unpacked`
      : `${subject}: ${describeErrno(errno)}`,
    hint: "remove the image, and load or pull it again",
    cause: error,
  });
}

/** Opens a file in a folder where no part of the path is a symlink. Names are bytes, so Deno cannot. */
function openIn(folder: string, path: ByteString): Deno.FsFile {
  const root = libcCall("openat", AT_FDCWD, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  try {
    const fd = libcCall("openat", root, toBytes(path), O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    try {
      return Deno.openSync(`/proc/self/fd/${fd}`);
    } finally {
      libcCall("close", fd);
    }
  } finally {
    libcCall("close", root);
  }
}

function copy(source: Deno.FsFile, from: number, target: Deno.FsFile, to: number, length: number): void {
  target.seekSync(to, Deno.SeekMode.Start);
  const chunk = new Uint8Array(Math.min(CHUNK_SIZE, length));
  for (let done = 0; done < length;) {
    const count = readAt(source, from + done, chunk.subarray(0, Math.min(chunk.length, length - done)));
    if (count === 0) throw new Changed();
    for (let written = 0; written < count;) written += target.writeSync(chunk.subarray(written, count));
    done += count;
  }
}

interface FoundFile {
  readonly node: File;
  /** Below the layer's folder, or the folder of what was replaced. */
  readonly path: ByteString;
  readonly isTrash: boolean;
}

/** A layer's tree that remembers what the layer itself replaced, under the numbers that the unpacker gave it. */
class RecordedTree {
  readonly #tree = new LayerTree(EVERYTHING, new Budget());
  readonly #trash: Node[] = [];

  add(entry: TarEntry, offset: number): void {
    const placement = this.#tree.add(entry, offset);
    if (placement?.replaced !== undefined && isTrashed(placement.replaced)) {
      this.#trash.push(placement.replaced);
    }
  }

  /** The files, in the order of the tar; one with several names once. */
  files(): FoundFile[] {
    const found = new Map<File, FoundFile>();
    const visit = (node: Node, path: ByteString, isTrash: boolean): void => {
      if (node.kind === "file" && !found.has(node)) found.set(node, { node, path, isTrash });
      if (node.kind !== "directory") return;
      for (const [name, child] of node.children) {
        visit(child, path === "" ? name : `${path}/${name}`, isTrash);
      }
    };
    visit(this.#tree.root, "", false);
    this.#trash.forEach((node, number) => visit(node, String(number), true));
    return [...found.values()].sort((a, b) => a.node.offset - b.node.offset);
  }
}
