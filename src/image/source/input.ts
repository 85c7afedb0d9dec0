/** Files that archives are read from: regular ones as they are, others once all that they give is written to one. */
import { compressionOf, openLayer } from "../layer/stream.ts";
import { Pipe } from "./pipe.ts";
import { readIfThere } from "../../state/read.ts";
import { spool, type SpoolOptions } from "./spool.ts";

/** How much is uncompressed at once, in bytes. */
const CHUNK = 1 << 20;

/** Opens what standard input was redirected from, with a position of its own (proc(5), /proc/self/fd). */
const STDIN = "/dev/stdin";

/**
 * Opens standard input. A file of which nobody has read yet is used as it is.
 * @throws {HostError} when there is no space for what comes through a pipe
 */
export async function openStandardInput(options: SpoolOptions): Promise<Deno.FsFile> {
  const isUnread = /^pos:\s*0$/m.test(readIfThere("/proc/self/fdinfo/0") ?? "");
  if (isUnread && Deno.statSync(STDIN).isFile) return Deno.openSync(STDIN);
  using pipe = Pipe.standardInput();
  return await spool(pipe.chunks(options.signal), options);
}

/**
 * Opens a regular file or a fifo.
 * @throws {HostError} when there is no space for what comes through the fifo
 */
export async function openInput(path: string, isFifo: boolean, options: SpoolOptions): Promise<Deno.FsFile> {
  if (!isFifo) return Deno.openSync(path);
  using pipe = Pipe.open(path);
  return await spool(pipe.chunks(options.signal), options);
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
