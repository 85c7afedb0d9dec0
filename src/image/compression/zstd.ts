import { ZSTDDecoder } from "zstddec";
import { CompressionError, type Content, contentChunks } from "./stream.ts";
import { ZstdFrames } from "./zstd_frames.ts";

/** What zstd's own C library exports, as compiled to WebAssembly (zstd.h, "Streaming decompression"). */
interface Zstd {
  readonly memory: WebAssembly.Memory;
  malloc(size: number): number;
  free(address: number): void;
  ZSTD_createDCtx(): number;
  ZSTD_freeDCtx(context: number): number;
  ZSTD_decompressStream(context: number, output: number, input: number): number;
}

let loaded: Promise<Zstd> | undefined;

/** The package's own decodeStreaming() loops forever on damaged data, so only the library in it is used. */
async function load(): Promise<Zstd> {
  const decoder = new ZSTDDecoder();
  const instantiated = Promise.withResolvers<Zstd>();
  const init = decoder._init;
  decoder._init = (result) => {
    init(result);
    instantiated.resolve(result.instance.exports as unknown as Zstd);
  };
  await decoder.init();
  return await instantiated.promise;
}

/** How much goes into the library and comes out of it at once, in bytes. */
const INPUT = 256 << 10;
const OUTPUT = 1 << 20;

/** sizeof(ZSTD_inBuffer) and sizeof(ZSTD_outBuffer): address, size and position, 32 bits each. */
const BUFFER_SIZE = 12;

/**
 * Uncompresses zstd of any number of frames. Takes no more memory than zstd itself: a window of 128 MiB at most.
 * @throws {CompressionError} when it is damaged or cut, or wants more memory
 */
export async function* unzstd(content: Content): AsyncGenerator<Uint8Array, void> {
  const decoder = new Decoder(await (loaded ??= load()));
  const frames = new ZstdFrames();
  try {
    for (const chunk of contentChunks(content)) {
      frames.feed(chunk);
      yield* decoder.decode(chunk);
    }
    frames.finish();
  } finally {
    decoder.release();
  }
}

class Decoder {
  readonly #context: number;
  readonly #addresses: number[] = [];
  readonly #input: number;
  readonly #output: number;
  readonly #inputBuffer: number;
  readonly #outputBuffer: number;

  constructor(readonly zstd: Zstd) {
    this.#context = zstd.ZSTD_createDCtx();
    this.#input = this.#allocate(INPUT);
    this.#output = this.#allocate(OUTPUT);
    this.#inputBuffer = this.#allocate(BUFFER_SIZE);
    this.#outputBuffer = this.#allocate(BUFFER_SIZE);
  }

  #allocate(size: number): number {
    const address = this.zstd.malloc(size);
    this.#addresses.push(address);
    return address;
  }

  release(): void {
    this.zstd.ZSTD_freeDCtx(this.#context);
    for (const address of this.#addresses) this.zstd.free(address);
  }

  /** The library's memory. What it was before is gone whenever it grows. */
  get #memory(): DataView {
    return new DataView(this.zstd.memory.buffer);
  }

  /** @param chunk at most INPUT bytes */
  *decode(chunk: Uint8Array): Generator<Uint8Array, void> {
    new Uint8Array(this.zstd.memory.buffer).set(chunk, this.#input);
    this.#setBuffer(this.#inputBuffer, this.#input, chunk.length);
    do {
      this.#setBuffer(this.#outputBuffer, this.#output, OUTPUT);
      this.#step();
      const filled = this.#position(this.#outputBuffer);
      if (filled > 0) {
        yield new Uint8Array(this.zstd.memory.buffer).slice(this.#output, this.#output + filled);
      }
      // it holds the last byte of a frame back until all of the frame has come out
    } while (this.#position(this.#inputBuffer) < chunk.length);
  }

  #setBuffer(address: number, start: number, size: number): void {
    const memory = this.#memory;
    memory.setUint32(address, start, true);
    memory.setUint32(address + 4, size, true);
    memory.setUint32(address + 8, 0, true);
  }

  #position(address: number): number {
    return this.#memory.getUint32(address + 8, true);
  }

  #step(): void {
    const result = this.zstd.ZSTD_decompressStream(this.#context, this.#outputBuffer, this.#inputBuffer);
    // ZSTD_isError(): minus one of ZSTD_ErrorCode, which end at 120 (zstd_errors.h)
    if (result < 0 && result > -200) {
      throw new CompressionError(`its zstd data are damaged (error ${-result})`);
    }
  }
}
