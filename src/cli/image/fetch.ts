/** Downloading an image: what `pull` and `run` share. */
import { interruptible } from "../../image/interrupt.ts";
import type { Platform } from "../../image/platform.ts";
import type { LayerProgress, Progress } from "../../image/progress.ts";
import { formatFullName, formatImageName, type ImageName } from "../../image/reference.ts";
import type { RemoteLayer } from "../../image/registry/downloads.ts";
import { KnownBlobs } from "../../image/registry/known_blobs.ts";
import { isGzipLayer } from "../../image/registry/manifest.ts";
import type { Registry } from "../../image/registry/registry.ts";
import { openRemoteImage } from "../../image/registry/remote_image.ts";
import type { ImageStore, StoredImage } from "../../image/store/store.ts";
import { openSpool } from "../../state/spool.ts";
import { type Output, STANDARD_ERROR } from "../output.ts";
import { openProgress } from "../progress.ts";
import { connect } from "../registry.ts";
import type { Session } from "../session.ts";
import { storeOf } from "../store_of.ts";

export interface FetchOptions {
  /** What the user asked for; undefined: this machine's, if there is a choice. */
  readonly platform: Platform | undefined;
  readonly isQuiet: boolean;
}

export interface Fetch extends FetchOptions {
  readonly session: Session;
  readonly registry: Registry;
  readonly name: ImageName;
  /** Where it is told how it goes. */
  readonly output: Output;
  /** Breaks it off. */
  readonly signal: AbortSignal;
}

export interface Fetched {
  readonly image: StoredImage;
  /** Whether the name did not stand for that image before. */
  readonly isNewer: boolean;
}

/**
 * Downloads an image into the store.
 * @throws {DhowError} when there is none of that name, or none that dhow can use
 */
export async function fetchImage(
  { session, isQuiet, output, ...options }: Fetch,
): Promise<Fetched> {
  const { paths, database } = session;
  const store = storeOf(session);
  const { name } = options;
  const say = (text: string) => isQuiet ? undefined : output.print(`${text}\n`);
  using spool = openSpool(paths);
  using progress = openProgress(isQuiet, output);
  await using source = await openRemoteImage({
    ...options,
    folder: spool.path,
    isStored: layersOf(store),
    progress,
  });
  const [image] = source.images;
  const isNewer = store.find(formatImageName(name))?.id !== image.id;
  say(`${name.digest === undefined ? name.tag : formatFullName(name)}: Pulling from ${name.path}`);
  const digests = [`${name.repository}@${source.digest}`];
  const loaded = await store.load(image, {
    tags: image.tags,
    digests,
    progress: loading(progress, source.layers),
  });
  remember(new KnownBlobs(database), name, source.layers);
  progress[Symbol.dispose]();
  say(`Digest: ${source.digest}`);
  return { image: loaded, isNewer };
}

/** Docker's last word on a pull. */
export function pullStatus(name: string, isNewer: boolean): string {
  return `Status: ${isNewer ? "Downloaded newer image" : "Image is up to date"} for ${name}\n`;
}

/**
 * The same for a container, as docker does it: told on standard error, because standard output is the program's.
 * @throws {InterruptedError} after SIGINT, SIGTERM or SIGHUP
 */
export async function fetchForRun(
  session: Session,
  name: ImageName,
  { isInsecure, ...options }: FetchOptions & { readonly isInsecure: boolean },
): Promise<StoredImage> {
  const text = formatImageName(name);
  const what = `cannot pull ${JSON.stringify(text)}`;
  return await interruptible(what, async (signal) => {
    const registry = await connect({ domain: name.domain, isInsecure }, what, signal);
    const output = STANDARD_ERROR;
    const { image, isNewer } = await fetchImage({ ...options, session, registry, name, output, signal });
    if (!options.isQuiet) output.print(pullStatus(text, isNewer));
    return image;
  });
}

/** The store's progress in docker's words, on the lines of the downloads. It announces a layer before that is downloaded. */
function loading(progress: Progress, layers: readonly RemoteLayer[]): Progress {
  const digests = new Map(layers.map(({ diffId, digest }) => [diffId, digest]));
  return {
    layer(id, _action, total) {
      let line: LayerProgress | undefined;
      const begun = () => line ??= progress.layer(digests.get(id) ?? id, "Extracting", total);
      return { advance: (bytes) => begun().advance(bytes), done: () => begun().done("Pull complete") };
    },
  };
}

/** A push of the same layers finds them there. */
function remember(known: KnownBlobs, { domain, path }: ImageName, layers: readonly RemoteLayer[]): void {
  for (const { diffId, digest, size, mediaType } of layers) {
    if (isGzipLayer(mediaType)) known.remember(diffId, { repository: `${domain}/${path}`, digest, size });
  }
}

/** Whether an image of the store has a layer. */
function layersOf(store: ImageStore): (diffId: string) => boolean {
  const diffIds = new Set(store.list().flatMap(({ config }) => config.diffIds));
  return (diffId) => diffIds.has(diffId);
}
