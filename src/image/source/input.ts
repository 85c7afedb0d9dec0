/** Files that archives are read from: regular ones as they are, others once all that they give is written to one. */
import { compressionOf, openLayer } from "../layer/stream.ts";
import type { Progress } from "../progress.ts";
import { Pipe } from "./pipe.ts";
import { readIfThere } from "../../state/read.ts";
import { spool, type SpoolOptions } from "./spool.ts";

/** How much is uncompressed at once, in bytes. */
const CHUNK = 1 << 20;

/** What progress calls it. */
const ARCHIVE = "archive";

export interface InputOptions extends SpoolOptions {
  /** Told of what is written to a file. */
  readonly progress: Progress;
}

/** Opens what standard input was redirected from, with a position of its own (proc(5), /proc/self/fd). */
const STDIN = "/dev/stdin";

/**
 * Opens standard input. A file of which nobody has read yet is used as it is.
 * @throws {HostError} when there is no space for what comes through a pipe
 */
export async function openStandardInput(options: InputOptions): Promise<Deno.FsFile> {
  const isUnread = /^pos:\s*0$/m.test(readIfThere("/proc/self/fdinfo/0") ?? "");
  if (isUnread && Deno.statSync(STDIN).isFile) return Deno.openSync(STDIN);
  return await spoolPipe(Pipe.standardInput(), options);
}

/**
 * Opens a regular file or a fifo.
 * @throws {HostError} when there is no space for what comes through the fifo
 */
export async function openInput(path: string, isFifo: boolean, options: InputOptions): Promise<Deno.FsFile> {
  if (!isFifo) return Deno.openSync(path);
  return await spoolPipe(Pipe.open(path), options);
}

async function spoolPipe(pipe: Pipe, options: InputOptions): Promise<Deno.FsFile> {
  using opened = pipe;
  const told = options.progress.layer(ARCHIVE, "Reading", undefined);
  const file = await spool(counted(opened.chunks(options.signal), told.advance), options);
  told.done("Read");
  return file;
}

async function* counted(chunks: AsyncIterable<Uint8Array>, advance: (bytes: number) => void) {
  for await (const chunk of chunks) {
    advance(chunk.length);
    yield chunk;
  }
}

/**
 * The file, or if it is compressed, another one with what is in it; then the file is closed.
 * @throws {ImageError} when the compressed data are damaged
 * @throws {HostError} when there is no space for what is in it
 */
export async function uncompressed(file: Deno.FsFile, options: InputOptions): Promise<Deno.FsFile> {
  const range = { file, offset: 0, size: file.statSync().size };
  if (compressionOf(range) === undefined) return file;
  using _ = file;
  const told = options.progress.layer(ARCHIVE, "Uncompressing", range.size);
  using stream = openLayer({ ...range, label: options.label, advance: told.advance });
  const chunk = new Uint8Array(CHUNK);
  const whole = await spool(
    (async function* () {
      for (let count = 0; (count = await stream.read(chunk)) > 0;) yield chunk.subarray(0, count);
    })(),
    options,
  );
  told.done("Uncompressed");
  return whole;
}
