/** Opens images of every local format: what they are is found out from what is there. */
import { ImageError } from "../../errors.ts";
import type { Platform } from "../platform.ts";
import { type Progress, QUIET } from "../progress.ts";
import type { BlobStore } from "./blobs.ts";
import type { Choice } from "./choice.ts";
import { readDockerArchive } from "./docker_archive.ts";
import { FolderBlobs } from "./folder_blobs.ts";
import { type InputOptions, openInput, openStandardInput, uncompressed } from "./input.ts";
import { parseLocation, type Transport } from "./location.ts";
import { explainOpening } from "./open_error.ts";
import { holdsIndexes, readOciLayout } from "./oci_layout.ts";
import { readSkopeoFolder } from "./skopeo_folder.ts";
import type { ImageSource, SourceImage, SourceOrigin } from "./source.ts";
import { SAVE_HINT, TarBlobs } from "./tar_blobs.ts";

/** Stands for the archive that comes through standard input. */
export const STANDARD_INPUT = Symbol("standard input");

export interface SourceOptions {
  /** Which of an image's platforms; without it this machine's, if there are several. */
  readonly platform?: Platform;
  /** A folder that is there, for what has to be written to a file before it is read. It gets no name there. */
  readonly spoolFolder: string;
  /** Told of what has to be written to a file. */
  readonly progress?: Progress;
  /** Breaks off. */
  readonly signal?: AbortSignal;
}

/**
 * Opens an archive or a folder and reads its manifests and configs, not its layers.
 * @param name a path, alone or with a transport of skopeo's (`oci:PATH:REFERENCE`), or STANDARD_INPUT
 * @throws {ImageError} when there is none, or it is damaged, or holds no image that is meant
 * @throws {HostError} when there is no space to uncompress it
 */
export async function openSource(
  name: string | typeof STANDARD_INPUT,
  options: SourceOptions,
): Promise<ImageSource> {
  const { transport, path, reference } = name === STANDARD_INPUT ? NAMELESS : parseLocation(name);
  const label = path === undefined ? "standard input" : JSON.stringify(path);
  try {
    const { spoolFolder: folder, progress = QUIET, signal } = options;
    const spooling = { folder, label, progress, signal };
    const opened = path === undefined
      ? { blobs: await openTar(openStandardInput(spooling), spooling) }
      : await openPath(path, transport, spooling);
    return readSource(opened, transport, { platform: options.platform, reference });
  } catch (error) {
    throw explainOpening(error, label);
  }
}

const NAMELESS = { transport: undefined, path: undefined, reference: undefined };

interface Opened {
  readonly blobs: BlobStore;
  readonly origin?: SourceOrigin;
}

async function openPath(
  path: string,
  transport: Transport | undefined,
  spooling: InputOptions,
): Promise<Opened> {
  // asked first: opening a device can have effects
  const { isFile, isDirectory, isFifo } = Deno.statSync(path);
  const wantsFolder = transport === undefined ? isDirectory : transport === "oci" || transport === "dir";
  if (wantsFolder) {
    if (!isDirectory) refuseToOpen(spooling.label, "it is not a directory", `${transport}: is for folders`);
    return { blobs: new FolderBlobs(path, spooling.label), origin: { kind: "folder", path } };
  }
  if (isDirectory) refuseToOpen(spooling.label, "it is a directory", `${transport}: is for files`);
  if (!isFile && !isFifo) {
    refuseToOpen(spooling.label, "it is not a regular file", "save it to a file first");
  }
  const blobs = await openTar(openInput(path, isFifo === true, spooling), spooling);
  return isFile ? { blobs, origin: { kind: "archive", path } } : { blobs };
}

async function openTar(opening: Promise<Deno.FsFile>, spooling: InputOptions): Promise<TarBlobs> {
  const file = await uncompressed(await opening, spooling);
  try {
    return new TarBlobs(file, spooling.label);
  } catch (error) {
    file.close();
    throw error;
  }
}

function readSource(
  { blobs, origin }: Opened,
  transport: Transport | undefined,
  choice: Choice,
): ImageSource {
  try {
    const images = readImages(blobs, transport ?? recognise(blobs, choice), choice);
    return {
      label: blobs.label,
      images,
      ...(origin === undefined ? {} : { origin }),
      [Symbol.dispose]: () => blobs[Symbol.dispose](),
    };
  } catch (error) {
    blobs[Symbol.dispose]();
    throw error;
  }
}

function readImages(blobs: BlobStore, transport: Transport, choice: Choice): SourceImage[] {
  switch (transport) {
    case "docker-archive":
      return readDockerArchive(blobs, choice);
    case "oci-archive":
    case "oci":
      return readOciLayout(blobs, choice);
    case "dir":
      return [readSkopeoFolder(blobs, choice)];
  }
}

function recognise(blobs: BlobStore, { platform }: Choice): Transport {
  const [hasManifest, hasIndex] = ["manifest.json", "index.json"].map((name) =>
    blobs.size(name) !== undefined
  );
  if (blobs.kind === "folder") {
    if (hasIndex) return "oci";
    if (hasManifest) return "dir";
  } else if (hasManifest) {
    // docker writes both since version 25, but manifest.json knows one platform only
    return hasIndex && (platform !== undefined || holdsIndexes(blobs)) ? "oci-archive" : "docker-archive";
  } else if (hasIndex) {
    return "oci-archive";
  }
  if (blobs.size("repositories") !== undefined) {
    blobs.refuse(
      "it was saved by a docker before version 1.10, and has no manifest.json",
      "load it into a docker that still reads it, and save it again",
    );
  }
  const why = "it is not an image: there is no manifest.json and no index.json in it";
  blobs.refuse(why, `${SAVE_HINT}; ${IMPORT_HINTS[blobs.kind]}`);
}

/** For who has a file system, and no image of it. */
const IMPORT_HINTS: Readonly<Record<BlobStore["kind"], string>> = {
  archive: "or of a tar of a file system, with: dhow import FILE NAME",
  folder: "or of a folder with a file system, with: tar -C FOLDER -c . | dhow import - NAME",
};

function refuseToOpen(label: string, why: string, hint: string): never {
  throw new ImageError({ what: `cannot open ${label}`, why, hint });
}
