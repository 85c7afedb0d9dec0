import { Arena } from "../../../ffi/arena.ts";
import { AT_FDCWD, O_CLOEXEC, O_DIRECTORY, O_PATH, RESOLVE_BENEATH } from "../../../ffi/constants.ts";
import { ELOOP, ENOENT, ENOTDIR, EXDEV } from "../../../ffi/errno.ts";
import { libcCall, tryLibcCall } from "../../../ffi/table.ts";
import { readAt } from "../read_at.ts";
import type { FileRange } from "../tar/reader.ts";
import { BlobStore } from "./blobs.ts";

/** sizeof(struct open_how), openat2(2). */
const OPEN_HOW_SIZE = 24;

/** The files of a folder. Links may lead to other files of it, never out of it, whatever changes in it meanwhile. */
export class FolderBlobs extends BlobStore {
  readonly #fd: number;
  readonly #arena = new Arena(4096);
  readonly #how = this.#arena.allocate(OPEN_HOW_SIZE);
  /** Those that `range` was asked for. */
  readonly #open = new Map<string, Deno.FsFile>();

  /** @param path of a folder that is there */
  constructor(path: string, label: string) {
    super("folder", label);
    this.#fd = libcCall("openat", AT_FDCWD, path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    this.#arena.setWord(this.#how, O_PATH | O_CLOEXEC);
    this.#arena.setWord(this.#how + 16, RESOLVE_BENEATH);
  }

  override size(name: string): number | undefined {
    return this.#visit(name, (_, { size }) => size);
  }

  protected override bytes(name: string, size: number): Uint8Array {
    using file = this.#openFile(name);
    const bytes = new Uint8Array(size);
    if (readAt(file, 0, bytes) < size) this.refuse(`${JSON.stringify(name)} was truncated`);
    return bytes;
  }

  override range(name: string): FileRange {
    const file = this.#open.get(name) ?? this.#openFile(name);
    this.#open.set(name, file);
    return { file, offset: 0, size: file.statSync().size };
  }

  #openFile(name: string): Deno.FsFile {
    return this.#visit(name, (path) => Deno.openSync(path)) ??
      this.refuse(`${JSON.stringify(name)} is gone from it`);
  }

  /** Calls back with another path of a regular file, which cannot become that of another file any more, and its state. */
  #visit<T>(name: string, work: (path: string, info: Deno.FileInfo) => T): T | undefined {
    const fd = tryLibcCall(
      [ENOENT, ENOTDIR, ELOOP, EXDEV],
      "openat2",
      this.#fd,
      name,
      this.#how,
      OPEN_HOW_SIZE,
    );
    if (fd === -EXDEV) {
      this.refuse(`${JSON.stringify(name)} is a link that leads out of it`, "copy it whole, with: cp -rL");
    }
    if (fd < 0) return undefined;
    try {
      // the file was not opened yet, only found: opening a device can have effects, and a fifo would wait
      const path = `/proc/self/fd/${fd}`;
      const info = Deno.statSync(path);
      return info.isFile ? work(path, info) : undefined;
    } finally {
      libcCall("close", fd);
    }
  }

  override [Symbol.dispose](): void {
    for (const file of this.#open.values()) file.close();
    libcCall("close", this.#fd);
    this.#arena.release();
  }
}
