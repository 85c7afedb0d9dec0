import { UsageError } from "../errors.ts";
import type { ArchiveFormat } from "../image/archive/layout.ts";
import { saveImages } from "../image/archive/save.ts";
import { selectImages } from "../image/archive/selection.ts";
import { TarWriter } from "../image/tar/writer.ts";
import { writeArchive } from "./archive_output.ts";
import type { Command } from "./command.ts";
import { STANDARD_ERROR } from "./output.ts";
import { openProgress } from "./progress.ts";
import { openSession } from "./session.ts";
import { storeOf } from "./store_of.ts";

const FORMATS: readonly string[] = ["docker", "oci"] satisfies ArchiveFormat[];
const isFormat = (text: string): text is ArchiveFormat => FORMATS.includes(text);

export const command: Command = {
  usage: "[OPTIONS] IMAGE [IMAGE...]",
  summary: "Write images, and the names they have, to an archive that docker, podman and dhow load.",
  options: [
    { name: "output", short: "o", value: "FILE", help: "write to FILE, not to standard output" },
    { name: "format", value: "FORMAT", help: "docker (default), which is an OCI archive too, or oci" },
    { name: "quiet", short: "q", help: "print no progress" },
  ],
  async run({ args, options, global }) {
    const wrong = (why: string) =>
      new UsageError({ what: "cannot save", why, hint: "see: dhow save --help" });
    if (args.length === 0) throw wrong("no IMAGE was given");
    const format = options.text("format") ?? "docker";
    if (!isFormat(format)) throw wrong(`there is no format ${JSON.stringify(format)}`);
    const store = storeOf(await openSession(global, "save images"));
    const images = selectImages(args, store);
    const subject = args.map((name) => JSON.stringify(name)).join(", ");
    return await writeArchive("save", subject, options.text("output"), async (sink, signal) => {
      using progress = openProgress(options.flag("quiet"), STANDARD_ERROR);
      await using tar = new TarWriter(sink);
      await saveImages(images, store, tar, { format, progress, signal });
      await tar.finish();
    });
  },
};
