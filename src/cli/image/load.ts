import { UsageError } from "../../errors.ts";
import { openArchive } from "../../image/source/docker_archive.ts";
import type { Command } from "../command.ts";
import { print } from "../output.ts";
import { openSession } from "../session.ts";

/** Opens what standard input was redirected from, with a position of its own (proc(5), /proc/self/fd). */
const STDIN = "/dev/stdin";

export const command: Command = {
  usage: "[OPTIONS]",
  summary: "Load images, and the names they have, from an archive of docker save.",
  options: [
    { name: "input", short: "i", value: "FILE", help: "read from FILE, not from standard input" },
    { name: "quiet", short: "q", help: "print no progress; there is none yet" },
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
        hint: "name an archive with: -i FILE",
      });
    }
    const { store } = await openSession(global, "load images");
    using archive = openArchive(input ?? STDIN);
    for (const image of archive.images) {
      await store.load(image, { tags: image.tags });
      for (const tag of image.tags) print(`Loaded image: ${tag}\n`);
      if (image.tags.length === 0) print(`Loaded image ID: ${image.id}\n`);
    }
    return 0;
  },
};
