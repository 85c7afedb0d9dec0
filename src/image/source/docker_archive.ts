/**
 * Archives as `docker save` writes them: a tar with `manifest.json` (docker image specification v1.2), which names configs and
 * layers in the same tar. Before docker 25 those are `DIGEST.json` and `ID/layer.tar`, since then `blobs/sha256/DIGEST`.
 */
import { createHash } from "node:crypto";
import { ImageError } from "../../errors.ts";
import { type ByteString, encodeText, quoteName } from "../tar/byte_string.ts";
import { MAX_JSON_SIZE, parseImageConfig } from "../config.ts";
import { formatReference, parseReference } from "../reference.ts";
import { type FileRange, type LocatedEntry, readAt, readTar } from "../tar/reader.ts";
import { TarError } from "../tar/fields.ts";
import type { ImageSource, LayerBlob, SourceImage } from "./source.ts";

/** An archive of images has few entries; a file system's tar has many. */
const MAX_ENTRIES = 1 << 16;

/** Links between entries: docker writes them from one to the next. */
const MAX_LINKS = 16;

/**
 * Opens an archive and reads its manifest and configs, not its layers.
 * @param path of the file
 * @throws {ImageError} when it cannot be opened, or is not such an archive
 */
export function openArchive(path: string): ImageSource {
  const label = JSON.stringify(path);
  const file = openFile(path, label);
  try {
    const archive = new ArchiveFile(file, label);
    const images = archive.images();
    return { label, images, [Symbol.dispose]: () => file.close() };
  } catch (error) {
    file.close();
    throw error;
  }
}

function openFile(path: string, label: string): Deno.FsFile {
  const refuse = (why: string, hint?: string, cause?: unknown): never => {
    throw new ImageError({
      what: `cannot open archive ${label}`,
      why,
      ...(hint === undefined ? {} : { hint }),
      cause,
    });
  };
  try {
    // asked first: opening a FIFO would wait for its writer
    const { isFile, isDirectory } = Deno.statSync(path);
    if (isDirectory) refuse("it is a directory", "give the file that docker save wrote");
    if (!isFile) refuse("it is not a regular file", "save it to a file first");
    return Deno.openSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) {
      refuse("no such file or directory (ENOENT)", "check the path", error);
    }
    if (error instanceof Deno.errors.PermissionDenied) refuse("permission denied (EACCES)", undefined, error);
    if (error instanceof Deno.errors.NotADirectory) {
      refuse("not a directory (ENOTDIR)", "check the path", error);
    }
    throw error;
  }
}

/** First bytes of what people compress archives with. */
const COMPRESSIONS: readonly (readonly [name: string, unpack: string, magic: readonly number[]])[] = [
  ["gzip", "gunzip", [0x1f, 0x8b]],
  ["zstd", "unzstd", [0x28, 0xb5, 0x2f, 0xfd]],
  ["xz", "unxz", [0xfd, 0x37, 0x7a, 0x58, 0x5a]],
  ["bzip2", "bunzip2", [0x42, 0x5a, 0x68]],
];

const SAVE_HINT = "make one with: docker save -o FILE IMAGE";

class ArchiveFile {
  readonly #range: FileRange;
  readonly #entries = new Map<ByteString, LocatedEntry>();

  constructor(readonly file: Deno.FsFile, readonly label: string) {
    this.#range = { file, offset: 0, size: file.statSync().size };
    this.#readEntries();
  }

  #refuse(why: string, hint?: string, cause?: unknown): never {
    throw new ImageError({
      what: `cannot read archive ${this.label}`,
      why,
      ...(hint === undefined ? {} : { hint }),
      cause,
    });
  }

  #readEntries(): void {
    try {
      for (const located of readTar(this.#range)) {
        const name = normalize(located.entry.name);
        if (name === undefined) continue;
        // a later entry of the same name replaces the earlier, as it would when unpacked
        this.#entries.set(name, located);
        if (this.#entries.size > MAX_ENTRIES) break;
      }
    } catch (error) {
      if (!(error instanceof TarError)) throw error;
      this.#refuseDamaged(error);
    }
  }

  #refuseDamaged(error: TarError): never {
    if (this.#entries.size > 0) {
      this.#refuse(error.message, "it is damaged or incomplete: copy or save it again", error);
    }
    if (this.#range.size === 0) this.#refuse("it is empty", SAVE_HINT);
    const start = new Uint8Array(8);
    readAt(this.file, 0, start);
    for (const [name, unpack, magic] of COMPRESSIONS) {
      if (magic.every((byte, index) => start[index] === byte)) {
        this.#refuse(`it is compressed with ${name}`, `uncompress it first, with: ${unpack}`);
      }
    }
    this.#refuse(`it is not a tar archive (${error.message})`, SAVE_HINT);
  }

  images(): SourceImage[] {
    const document = this.#json("manifest.json", this.#manifestText());
    if (!Array.isArray(document) || document.length === 0) {
      this.#refuse("manifest.json is not a list of images", SAVE_HINT);
    }
    return document.map((item) => this.#image(item));
  }

  #manifestText(): string {
    const entry = this.#entries.get("manifest.json");
    if (entry !== undefined) return this.#text(entry, "manifest.json");
    if (this.#entries.size > MAX_ENTRIES) this.#refuse("it has too many entries for an image", SAVE_HINT);
    if (this.#entries.has("index.json")) {
      this.#refuse(
        "it is an OCI archive without docker's manifest.json",
        "convert it: skopeo copy oci-archive:IN docker-archive:OUT",
      );
    }
    this.#refuse("it is not an image: there is no manifest.json in it", SAVE_HINT);
  }

  #json(name: string, text: string): unknown {
    try {
      return JSON.parse(text);
    } catch (cause) {
      this.#refuse(`${name} is not JSON`, "it is damaged: save it again", cause);
    }
  }

  #image(item: unknown): SourceImage {
    const { Config: configName, RepoTags: tags, Layers: layers } = (item ?? {}) as Record<string, unknown>;
    if (typeof configName !== "string") this.#refuse("manifest.json has an image without a Config");
    if (!isTexts(layers)) this.#refuse("manifest.json has an image without a list of Layers");
    if (!isTexts(tags ?? [])) this.#refuse("manifest.json has RepoTags that are not a list of names");
    const configText = this.#text(this.#resolve(configName), configName);
    const config = parseImageConfig(
      configText,
      `the image config ${JSON.stringify(configName)} of ${this.label}`,
    );
    if (layers.length !== config.diffIds.length) {
      this.#refuse(
        `manifest.json lists ${layers.length} layers, the image's config ${config.diffIds.length}`,
      );
    }
    return {
      id: `sha256:${createHash("sha256").update(configText).digest("hex")}`,
      config,
      configText,
      tags: ((tags ?? []) as string[]).map((tag) => formatReference(parseReference(tag))),
      layers: layers.map((name, index) => this.#layer(name, config.diffIds[index]!)),
    };
  }

  #layer(name: string, diffId: string): LayerBlob {
    const { entry, offset } = this.#resolve(name);
    const label = `layer ${JSON.stringify(name)} of ${this.label}`;
    const range = { file: this.file, offset, size: entry.size };
    return { name, label, diffId, size: entry.size, range: () => Promise.resolve(range) };
  }

  /** The regular file that a name of the manifest stands for; links lead to other entries of the same archive only. */
  #resolve(name: string): LocatedEntry {
    let path = normalize(encodeText(name));
    for (let links = 0; path !== undefined && links <= MAX_LINKS; links++) {
      const located = this.#entries.get(path);
      if (located === undefined) break;
      const { type, link } = located.entry;
      if (type === "file" && located.entry.sparse === undefined) return located;
      // a symlink is relative to its own folder, a hard link to the archive's root
      if (type === "symlink") path = normalize(link.startsWith("/") ? link : `${path}/../${link}`);
      else if (type === "hardlink") path = normalize(link);
      else break;
    }
    this.#refuse(
      `manifest.json names ${quoteName(encodeText(name))}, which is no file in it`,
      "it is damaged or incomplete: save it again",
    );
  }

  /** @throws {ImageError} when it is larger than a manifest or a config may be, or not UTF-8 */
  #text({ entry, offset }: LocatedEntry, name: string): string {
    if (entry.size > MAX_JSON_SIZE) {
      this.#refuse(`${JSON.stringify(name)} has ${entry.size} bytes, more than ${MAX_JSON_SIZE}`);
    }
    const bytes = new Uint8Array(entry.size);
    if (readAt(this.file, offset, bytes) < bytes.length) this.#refuse("it is truncated");
    try {
      // the digest of a config is that of its bytes: nothing may be lost on the way to a string and back
      return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    } catch (cause) {
      this.#refuse(`${JSON.stringify(name)} is not UTF-8`, undefined, cause);
    }
  }
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === "string");
}

/** `./a//b/../c` as `a/c`; undefined for what is no name, or leads out of the archive. */
function normalize(name: ByteString): ByteString | undefined {
  const parts: string[] = [];
  for (const part of name.split("/")) {
    if (part === "" || part === ".") continue;
    if (part !== "..") parts.push(part);
    else if (parts.pop() === undefined) return undefined;
  }
  return parts.length === 0 ? undefined : parts.join("/");
}
