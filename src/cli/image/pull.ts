import { interruptible } from "../../image/interrupt.ts";
import { parsePlatform, type Platform } from "../../image/platform.ts";
import type { Progress } from "../../image/progress.ts";
import {
  formatFullName,
  formatImageName,
  type ImageName,
  parseImageName,
  saysNoTag,
} from "../../image/reference.ts";
import type { RemoteLayer } from "../../image/registry/downloads.ts";
import { listTags } from "../../image/registry/documents.ts";
import { KnownBlobs } from "../../image/registry/known_blobs.ts";
import { isGzipLayer } from "../../image/registry/manifest.ts";
import type { Registry } from "../../image/registry/registry.ts";
import { openRemoteImage } from "../../image/registry/remote_image.ts";
import type { ImageStore } from "../../image/store/store.ts";
import { openSpool } from "../../state/spool.ts";
import type { Command } from "../command.ts";
import { print } from "../output.ts";
import { openProgress } from "../progress.ts";
import { connect, INSECURE, onlyArgument, refuseTag } from "../registry.ts";
import { openSession, type Session } from "../session.ts";

export const command: Command = {
  usage: "[OPTIONS] NAME[:TAG|@DIGEST]",
  summary: "Download an image from a registry.",
  options: [
    { name: "all-tags", short: "a", help: "download all tagged images in the repository" },
    INSECURE,
    { name: "platform", value: "OS/ARCH", help: "the variant to take: linux/arm64, linux/arm/v7" },
    { name: "quiet", short: "q", help: "print the image's name only" },
  ],
  async run({ args, options, global }) {
    const text = onlyArgument("pull", args);
    const name = parseImageName(text);
    const isForAll = options.flag("all-tags");
    if (isForAll) refuseTag("pull", text);
    const platform = options.text("platform");
    const isQuiet = options.flag("quiet");
    const settings = { platform: platform === undefined ? undefined : parsePlatform(platform), isQuiet };
    const session = await openSession(global, "pull images");
    const what = `cannot pull ${JSON.stringify(text)}`;
    const registryOptions = { domain: name.domain, isInsecure: options.flag("insecure") };
    if (!isQuiet && !isForAll && saysNoTag(text)) print("Using default tag: latest\n");
    await interruptible(what, async (signal) => {
      const registry = await connect(registryOptions, what, signal);
      const inquiry = { registry, path: name.path, what, signal };
      const tags = isForAll ? await listTags(inquiry) : [];
      const names = isForAll ? tags.map((tag) => ({ ...name, tag })) : [name];
      let isNewer = false;
      for (const each of names) {
        isNewer = await pull({ ...settings, session, registry, name: each, signal }) || isNewer;
      }
      report(isForAll ? name.repository : formatImageName(name), isNewer, isQuiet);
      print(`${isForAll ? `${name.domain}/${name.path}` : formatFullName(name)}\n`);
    });
    return 0;
  },
};

interface Pull {
  readonly session: Session;
  readonly registry: Registry;
  readonly name: ImageName;
  readonly platform: Platform | undefined;
  readonly isQuiet: boolean;
  readonly signal: AbortSignal;
}

/** @returns whether the store did not have that image under that name */
async function pull({ session: { store, paths, database }, isQuiet, ...options }: Pull): Promise<boolean> {
  const { name } = options;
  const say = (text: string) => isQuiet ? undefined : print(`${text}\n`);
  using spool = openSpool(paths);
  using progress = openProgress(isQuiet);
  await using source = await openRemoteImage({
    ...options,
    folder: spool.path,
    isStored: layersOf(store),
    progress,
  });
  const [image] = source.images;
  const isNewer = !hasAlready(store, name, image.id);
  say(`${name.digest ?? name.tag}: Pulling from ${name.path}`);
  const digests = [`${name.repository}@${source.digest}`];
  await store.load(image, { tags: image.tags, digests, progress: loading(progress, source.layers) });
  remember(new KnownBlobs(database), name, source.layers);
  progress[Symbol.dispose]();
  say(`Digest: ${source.digest}`);
  return isNewer;
}

/** The store's progress in docker's words, on the lines of the downloads. */
function loading(progress: Progress, layers: readonly RemoteLayer[]): Progress {
  const digests = new Map(layers.map(({ diffId, digest }) => [diffId, digest]));
  return {
    layer(id, _action, total) {
      const line = progress.layer(digests.get(id) ?? id, "Extracting", total);
      return { advance: (bytes) => line.advance(bytes), done: () => line.done("Pull complete") };
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

/** Whether there is nothing to do, as docker sees it: the name leads to that image. */
function hasAlready(store: ImageStore, name: ImageName, id: string): boolean {
  return name.digest === undefined ? store.find(formatImageName(name))?.id === id : store.holds(id);
}

function report(name: string, isNewer: boolean, isQuiet: boolean): void {
  if (isQuiet) return;
  print(
    isNewer ? `Status: Downloaded newer image for ${name}\n` : `Status: Image is up to date for ${name}\n`,
  );
}
