/** Files that archives are read from: regular ones as they are, others once all that they give is written to one. */
import { compressionOf, openLayer } from "../layer/stream.ts";
import { readIfThere } from "../../state/read.ts";
import { spool, type SpoolOptions } from "./spool.ts";

/** How much is read at once, in bytes. */
const CHUNK = 1 << 20;

/** Opens what standard input was redirected from, with a position of its own (proc(5), /proc/self/fd). */
const STDIN = "/dev/stdin";

/**
 * Opens standard input. A file of which nobody has read yet is used as it is.
 * @throws {HostError} when there is no space for what comes through a pipe
 */
export function openStandardInput(options: SpoolOptions): Promise<Deno.FsFile> {
  const isUnread = /^pos:\s*0$/m.test(readIfThere("/proc/self/fdinfo/0") ?? "");
  if (isUnread && Deno.statSync(STDIN).isFile) return Deno.open(STDIN);
  return spool(readChunks(Deno.stdin, options.signal), options);
}

/**
 * Opens a regular file or a fifo.
 * @throws {HostError} when there is no space for what comes through the fifo
 */
export async function openInput(path: string, isFifo: boolean, options: SpoolOptions): Promise<Deno.FsFile> {
  if (!isFifo) return await Deno.open(path);
  // waits for somebody who writes
  using fifo = await untilAborted(Deno.open(path), options.signal);
  return await spool(readChunks(fifo, options.signal), options);
}

/**
 * The file, or if it is compressed, another one with what is in it; then the file is closed.
 * @throws {ImageError} when the compressed data are damaged
 * @throws {HostError} when there is no space for what is in it
 */
export async function uncompressed(file: Deno.FsFile, options: SpoolOptions): Promise<Deno.FsFile> {
  const range = { file, offset: 0, size: file.statSync().size };
  if (compressionOf(range) === undefined) return file;
  using _ = file;
  using stream = openLayer({ ...range, label: options.label });
  const chunk = new Uint8Array(CHUNK);
  return await spool(
    (async function* () {
      for (let count = 0; (count = await stream.read(chunk)) > 0;) yield chunk.subarray(0, count);
    })(),
    options,
  );
}

/** All that a pipe gives. Each chunk is valid until the next. */
async function* readChunks(
  pipe: { read(target: Uint8Array): Promise<number | null> },
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array, void> {
  const chunk = new Uint8Array(CHUNK);
  for (let count; (count = await untilAborted(pipe.read(chunk), signal)) !== null;) {
    yield chunk.subarray(0, count);
  }
}

/** Waits no longer than until the signal: what is read from a pipe may never come. */
async function untilAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  const aborted = Promise.withResolvers<never>();
  const abort = () => aborted.reject(signal?.reason);
  signal?.addEventListener("abort", abort);
  try {
    signal?.throwIfAborted();
    return await Promise.race([work, aborted.promise]);
  } finally {
    signal?.removeEventListener("abort", abort);
  }
}
