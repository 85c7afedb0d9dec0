import { ImageError } from "../../errors.ts";
import { interruptible } from "../../image/interrupt.ts";
import { formatReference, parseReference, type Reference } from "../../image/reference.ts";
import { KnownBlobs } from "../../image/registry/known_blobs.ts";
import { pushImage } from "../../image/registry/push.ts";
import type { Registry } from "../../image/registry/registry.ts";
import { ImageCatalog } from "../../image/store/catalog.ts";
import type { ImageStore, StoredImage } from "../../image/store/store.ts";
import { openSpool } from "../../state/spool.ts";
import type { Command } from "../command.ts";
import { print } from "../output.ts";
import { openProgress } from "../progress.ts";
import { connect, readTransfer, TRANSFER_OPTIONS } from "../registry.ts";
import { openSession, type Session } from "../session.ts";
import { storeOf } from "../store_of.ts";

export const command: Command = {
  usage: "[OPTIONS] NAME[:TAG]",
  summary: "Upload an image to a registry.",
  options: TRANSFER_OPTIONS,
  async run(invocation) {
    const { name, what, isForAll, isQuiet, isInsecure, fullName } = readTransfer(
      "push",
      invocation,
      parseReference,
    );
    const session = await openSession(invocation.global, "push images");
    const images = find(storeOf(session), name, isForAll);
    if (!isQuiet) print(`The push refers to repository [${name.domain}/${name.path}]\n`);
    await interruptible(what, async (signal) => {
      const registry = await connect({ domain: name.domain, isInsecure }, what, signal);
      for (const image of images) await push({ session, registry, signal, isQuiet, ...image });
      if (isQuiet) print(`${fullName}\n`);
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
  { session, image, isQuiet, ...options }: Push,
): Promise<void> {
  const { paths, database } = session;
  const store = storeOf(session);
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
