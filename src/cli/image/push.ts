import { ImageError } from "../../errors.ts";
import { interruptible } from "../../image/interrupt.ts";
import {
  formatFullName,
  formatReference,
  parseReference,
  type Reference,
  saysNoTag,
} from "../../image/reference.ts";
import { KnownBlobs } from "../../image/registry/known_blobs.ts";
import { pushImage } from "../../image/registry/push.ts";
import type { Registry } from "../../image/registry/registry.ts";
import { ImageCatalog } from "../../image/store/catalog.ts";
import type { ImageStore, StoredImage } from "../../image/store/store.ts";
import { openSpool } from "../../state/spool.ts";
import type { Command } from "../command.ts";
import { print } from "../output.ts";
import { openProgress } from "../progress.ts";
import { connect, onlyArgument, refuseTag } from "../registry.ts";
import { INSECURE } from "../registry_options.ts";
import { openSession, type Session } from "../session.ts";

export const command: Command = {
  usage: "[OPTIONS] NAME[:TAG]",
  summary: "Upload an image to a registry.",
  options: [
    { name: "all-tags", short: "a", help: "upload all tags of the repository" },
    INSECURE,
    { name: "quiet", short: "q", help: "print the image's name only" },
  ],
  async run({ args, options, global }) {
    const text = onlyArgument("push", args);
    const reference = parseReference(text);
    const isForAll = options.flag("all-tags");
    if (isForAll) refuseTag("push", text);
    const isQuiet = options.flag("quiet");
    if (!isQuiet && !isForAll && saysNoTag(text)) print("Using default tag: latest\n");
    const session = await openSession(global, "push images");
    const images = find(session.store, reference, isForAll);
    if (!isQuiet) print(`The push refers to repository [${reference.domain}/${reference.path}]\n`);
    const what = `cannot push ${JSON.stringify(text)}`;
    const registryOptions = { domain: reference.domain, isInsecure: options.flag("insecure") };
    await interruptible(what, async (signal) => {
      const registry = await connect(registryOptions, what, signal);
      for (const image of images) await push({ session, registry, signal, isQuiet, ...image });
      if (isQuiet) {
        print(`${isForAll ? `${reference.domain}/${reference.path}` : formatFullName(reference)}\n`);
      }
    });
    return 0;
  },
};

interface Image {
  readonly reference: Reference;
  readonly image: StoredImage;
}

function find(store: ImageStore, reference: Reference, isForAll: boolean): Image[] {
  const tags = isForAll ? tagsOf(store, reference.repository) : [reference.tag];
  const images = tags.flatMap((tag) => {
    const image = store.find(formatReference({ ...reference, tag }));
    return image === undefined ? [] : [{ reference: { ...reference, tag }, image }];
  });
  if (images.length > 0) return images;
  const name = isForAll ? reference.repository : formatReference(reference);
  throw new ImageError({
    what: `cannot push ${JSON.stringify(name)}`,
    why: "there is no image of that name in the store",
    hint: "list images with: dhow images",
  });
}

/** All tags of a repository, sorted. */
function tagsOf(store: ImageStore, repository: string): string[] {
  return store.list().flatMap(({ tags }) => tags)
    .filter((name) => name.slice(0, name.lastIndexOf(":")) === repository)
    .map((name) => name.slice(name.lastIndexOf(":") + 1))
    .sort();
}

interface Push extends Image {
  readonly session: Session;
  readonly registry: Registry;
  readonly signal: AbortSignal;
  readonly isQuiet: boolean;
}

async function push(
  { session: { store, paths, database }, image, isQuiet, ...options }: Push,
): Promise<void> {
  const { reference } = options;
  using spool = openSpool(paths);
  using progress = openProgress(isQuiet);
  const { digest, size } = await pushImage({
    ...options,
    source: {
      configText: image.configText,
      diffIds: image.config.diffIds,
      mediaType: image.mediaType,
      openTar: (diffId) => store.openTar(diffId),
    },
    known: new KnownBlobs(database),
    folder: spool.path,
    progress,
  });
  new ImageCatalog(store).addDigest(image.id, reference.repository, digest);
  progress[Symbol.dispose]();
  if (!isQuiet) print(`${reference.tag}: digest: ${digest} size: ${size}\n`);
}
