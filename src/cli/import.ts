import { UsageError } from "../errors.ts";
import { importedImage } from "../image/import.ts";
import { interruptible } from "../image/interrupt.ts";
import { formatPlatform, type Platform, thisPlatform } from "../image/platform.ts";
import { formatReference, parseReference } from "../image/reference.ts";
import type { Command, ParsedOptions } from "./command.ts";
import { openImportSource } from "./import_source.ts";
import { print } from "./output.ts";
import { readPlatform } from "./registry_options.ts";
import { CHANGE, MESSAGE } from "./revision.ts";
import { openSession } from "./session.ts";
import { storeOf } from "./store_of.ts";

export const command: Command = {
  usage: "[OPTIONS] FILE|URL|- [REPOSITORY[:TAG]]",
  summary:
    "Make an image of a tar of a file system, plain or compressed, from a file, a web server or standard input (-).",
  options: [
    CHANGE,
    MESSAGE,
    { name: "platform", value: "OS/CPU", help: "what its programs run on (default: this machine)" },
  ],
  async run({ args, options, global }) {
    const [source, repository] = args;
    if (source === undefined || args.length > 2) {
      throw new UsageError({
        what: "cannot import",
        why: `import takes a tar and a name, but ${args.length} arguments were given`,
        hint: "see: dhow import --help",
      });
    }
    const tags = repository === undefined ? [] : [formatReference(parseReference(repository))];
    const platform = linuxPlatform(options);
    const session = await openSession(global, "import images");
    const { paths } = session;
    const store = storeOf(session);
    const { id } = await interruptible(`cannot import ${JSON.stringify(source)}`, async (signal) => {
      using tar = await openImportSource(source, paths.state, signal);
      const message = options.text("message") ?? `Imported from ${tar.origin}`;
      const revision = { message, changes: options.list("change"), created: new Date().toISOString() };
      const image = await importedImage(tar.content, { platform, ...revision }, signal);
      return await store.load(image, { tags });
    });
    print(`${id}\n`);
    return 0;
  },
};

/** @throws {UsageError} when it is no platform, or not one of Linux */
function linuxPlatform(options: ParsedOptions): Platform {
  const platform = readPlatform(options) ?? thisPlatform();
  if (platform.os === "linux") return platform;
  throw new UsageError({
    what: `cannot use the platform ${JSON.stringify(formatPlatform(platform))}`,
    why: "dhow keeps images for linux only",
    hint: "write, for example: --platform linux/arm64",
  });
}
