import { ImageError, UsageError } from "../errors.ts";
import { interruptible } from "../image/interrupt.ts";
import {
  formatFullName,
  formatReference,
  parseReference,
  type Reference,
  saysNoTag,
} from "../image/reference.ts";
import { pushImage, type PushSource } from "../image/registry/push.ts";
import type { Registry } from "../image/registry/registry.ts";
import type { Paths } from "../state/paths.ts";
import { openSpool } from "../state/spool.ts";
import type { Command, GlobalOptions } from "./command.ts";
import { print } from "./output.ts";
import { openProgress } from "./progress.ts";
import { connect, INSECURE, onlyArgument } from "./registry.ts";

/** What a push needs of the store. */
export interface PushSession {
  readonly paths: Paths;
  /** The image of a name such as `busybox:latest`. */
  find(reference: string): PushSource | undefined;
  /** All tags of a repository such as `busybox`, sorted. */
  tagsOf(repository: string): readonly string[];
}

/** @param open opens the store */
export function pushCommand(open: (options: GlobalOptions) => Promise<PushSession>): Command {
  return {
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
      if (isForAll && !saysNoTag(text)) {
        throw new UsageError({
          what: "cannot push",
          why: "a tag cannot be used with --all-tags",
          hint: "leave one out",
        });
      }
      const isQuiet = options.flag("quiet");
      if (!isQuiet && !isForAll && saysNoTag(text)) print("Using default tag: latest\n");
      const session = await open(global);
      const images = find(session, reference, isForAll);
      if (!isQuiet) print(`The push refers to repository [${reference.domain}/${reference.path}]\n`);
      const what = `cannot push ${JSON.stringify(text)}`;
      const registryOptions = { domain: reference.domain, isInsecure: options.flag("insecure") };
      await interruptible(what, async (signal) => {
        const registry = await connect(registryOptions, what, signal);
        for (const image of images) await push({ session, registry, signal, isQuiet, ...image });
      });
      return 0;
    },
  };
}

interface Image {
  readonly reference: Reference;
  readonly source: PushSource;
}

function find(session: PushSession, reference: Reference, isForAll: boolean): Image[] {
  const tags = isForAll ? session.tagsOf(reference.repository) : [reference.tag];
  const images = tags.flatMap((tag) => {
    const source = session.find(formatReference({ ...reference, tag }));
    return source === undefined ? [] : [{ reference: { ...reference, tag }, source }];
  });
  if (images.length > 0) return images;
  const name = isForAll ? reference.repository : formatReference(reference);
  throw new ImageError({
    what: `cannot push ${JSON.stringify(name)}`,
    why: "there is no image of that name in the store",
    hint: "list images with: dhow images",
  });
}

interface Push extends Image {
  readonly session: PushSession;
  readonly registry: Registry;
  readonly signal: AbortSignal;
  readonly isQuiet: boolean;
}

async function push({ session, isQuiet, ...options }: Push): Promise<void> {
  const { reference } = options;
  using spool = openSpool(session.paths);
  using progress = openProgress(isQuiet);
  const { digest, size } = await pushImage({ ...options, folder: spool.path, progress });
  progress[Symbol.dispose]();
  print(isQuiet ? `${formatFullName(reference)}\n` : `${reference.tag}: digest: ${digest} size: ${size}\n`);
}
