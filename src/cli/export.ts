import { UsageError } from "../errors.ts";
import { exportContainer } from "../container/export.ts";
import { findRunning } from "../container/running.ts";
import { writeArchive } from "./archive_output.ts";
import type { Command } from "./command.ts";
import { openSession } from "./session.ts";

export const command: Command = {
  usage: "[OPTIONS] CONTAINER",
  summary:
    "Write the file system of a running container as a tar. What is mounted in it (/proc, /dev, /sys, ...) is left out.",
  options: [
    { name: "output", short: "o", value: "FILE", help: "write to FILE, not to standard output" },
  ],
  async run({ args, options, global }) {
    const [name] = args;
    if (name === undefined || args.length > 1) {
      throw new UsageError({
        what: "cannot export",
        why: `export takes one container, but ${args.length} were given`,
        hint: "see: dhow export --help",
      });
    }
    const { database } = await openSession(global, "export containers");
    const container = findRunning(database, name, "cannot export");
    return await writeArchive(
      "export",
      JSON.stringify(name),
      options.text("output"),
      (sink, signal) => exportContainer(container, sink, signal),
    );
  },
};
