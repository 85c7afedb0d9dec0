/** An image of one layer, made of a tar that somebody else has written. */
import { ImageError } from "../errors.ts";
import { layerConfig } from "./change/child_config.ts";
import { parseImageConfig } from "./config.ts";
import { sha256 } from "./digest.ts";
import { digestOf } from "./digest_of.ts";
import type { Content } from "./compression/stream.ts";
import { openLayer } from "./layer/stream.ts";
import type { Platform } from "./platform.ts";
import type { SourceImage } from "./source/source.ts";
import { readAt } from "./read_at.ts";

export interface ImportOptions {
  readonly platform: Platform;
  /** A remark for the image's history. */
  readonly message: string;
  /** Instructions of a Dockerfile. */
  readonly changes: readonly string[];
  /** RFC 3339. */
  readonly created: string;
}

const CHUNK_SIZE = 1 << 20;

/** First bytes of what dhow does not uncompress. */
const REFUSED: readonly (readonly [name: string, unpack: string, magic: readonly number[]])[] = [
  ["xz", "unxz", [0xfd, 0x37, 0x7a, 0x58, 0x5a]],
  ["bzip2", "bunzip2", [0x42, 0x5a, 0x68]],
  ["lzip", "lunzip", [0x4c, 0x5a, 0x49, 0x50]],
];

/**
 * Makes an image of a tar, which may be compressed. Its name in the image is its hash, so it is read once for that; whoever takes
 * the layer reads it again, and verifies the hash.
 * @param content the tar; its file stays open as long as the image is of use
 * @param signal breaks it off
 * @throws {ImageError} when it is compressed with something that dhow does not know
 * @throws {UsageError} for a wrong instruction
 */
export async function importedImage(
  content: Content,
  { platform, message, changes, created }: ImportOptions,
  signal: AbortSignal,
): Promise<SourceImage> {
  assertReadable(content);
  const diffId = await hash(content, signal);
  const configText = layerConfig(platform, { diffId, created, comment: message, changes });
  const layer = {
    name: diffId,
    label: content.label,
    diffId,
    size: content.size,
    range: () => Promise.resolve(content),
  };
  return {
    id: digestOf(configText),
    config: parseImageConfig(configText, `the config of the image of ${content.label}`),
    configText,
    tags: [],
    layers: [layer],
  };
}

function assertReadable(content: Content): void {
  const refuse = (why: string, hint: string): never => {
    throw new ImageError({ what: `cannot import ${content.label}`, why, hint });
  };
  const start = new Uint8Array(Math.min(8, content.size));
  readAt(content.file, content.offset, start);
  for (const [name, unpack, magic] of REFUSED) {
    if (magic.every((byte, index) => start[index] === byte)) {
      refuse(`it is compressed with ${name}`, `uncompress it first, with: ${unpack}`);
    }
  }
  if (content.size === 0) refuse("it is empty", "give a tar of a file system");
}

/** sha256 of the uncompressed tar. */
async function hash(content: Content, signal: AbortSignal): Promise<string> {
  using stream = openLayer(content);
  const digester = sha256();
  // one is read while the other is hashed
  const chunks = [new Uint8Array(CHUNK_SIZE), new Uint8Array(CHUNK_SIZE)];
  let hashed = Promise.resolve();
  for (let index = 0;; index++) {
    signal.throwIfAborted();
    const chunk = chunks[index % 2]!;
    const count = await stream.read(chunk);
    await hashed;
    if (count === 0) return digester.digest();
    hashed = digester.update(chunk.subarray(0, count));
  }
}
