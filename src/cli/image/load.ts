import { UsageError } from "../../errors.ts";
import { interruptible } from "../../image/interrupt.ts";
import { openSource, STANDARD_INPUT } from "../../image/source/open.ts";
import type { SourceImage } from "../../image/source/source.ts";
import type { ImageStore } from "../../image/store/store.ts";
import type { Command } from "../command.ts";
import { print, STANDARD_ERROR } from "../output.ts";
import { openProgress } from "../progress.ts";
import { PLATFORM, readPlatform } from "../registry_options.ts";
import { openSession } from "../session.ts";
import { storeOf } from "../store_of.ts";

export const command: Command = {
  usage: "[OPTIONS]",
  summary: "Load images, and the names they have, from an archive or a folder: docker's, OCI's or skopeo's.",
  options: [
    { name: "input", short: "i", value: "PATH", help: "read from PATH, not from standard input" },
    PLATFORM,
    { name: "quiet", short: "q", help: "print no progress" },
  ],
  async run({ args, options, global }) {
    if (args.length > 0) {
      throw new UsageError({
        what: "cannot load",
        why: `load takes no arguments, but ${JSON.stringify(args[0])} was given`,
        hint: `name the archive with: -i ${args[0]}`,
      });
    }
    const input = options.text("input");
    if (input === undefined && Deno.stdin.isTerminal()) {
      throw new UsageError({
        what: "cannot load",
        why: "standard input is a terminal",
        hint: "name an archive with: -i PATH",
      });
    }
    const platform = readPlatform(options);
    const choice = platform === undefined ? {} : { platform };
    const session = await openSession(global, "load images");
    const { paths } = session;
    const store = storeOf(session);
    const what = `cannot load ${input === undefined ? "standard input" : JSON.stringify(input)}`;
    const isQuiet = options.flag("quiet");
    using source = await interruptible(what, async (signal) => {
      using progress = openProgress(isQuiet, STANDARD_ERROR);
      const sourceOptions = { ...choice, spoolFolder: paths.state, progress, signal };
      return await openSource(input ?? STANDARD_INPUT, sourceOptions);
    });
    for (const image of source.images) {
      const before = new Map(image.tags.map((tag) => [tag, store.find(tag)?.id]));
      await load(store, image, isQuiet);
      for (const tag of image.tags) {
        print(replacedLine(tag, before.get(tag), image.id));
        print(`Loaded image: ${tag}\n`);
      }
      if (image.tags.length === 0) print(`Loaded image ID: ${image.id}\n`);
    }
    return 0;
  },
};

/** Docker's words for a name that stood for another image before. */
function replacedLine(tag: string, before: string | undefined, id: string): string {
  if (before === undefined || before === id) return "";
  return `The image ${tag} already exists, renaming the old one with ID ${before} to empty string\n`;
}

/** Progress goes to standard error: standard output has docker's lines, for scripts. */
async function load(store: ImageStore, image: SourceImage, isQuiet: boolean): Promise<void> {
  using progress = openProgress(isQuiet, STANDARD_ERROR);
  await store.load(image, { tags: image.tags, progress });
}
