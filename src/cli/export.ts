import { UsageError } from "../errors.ts";
import { recordEvent } from "../container/events.ts";
import { exportContainer, exportStopped } from "../container/export.ts";
import { findRunning } from "../container/running.ts";
import { findContainer, isRunning } from "../container/records.ts";
import { type ArchiveWork, writeArchive } from "./archive_output.ts";
import type { Command } from "./command.ts";
import { lowerOf } from "./container/lower_of.ts";
import { openSession, type Session } from "./session.ts";

export const command: Command = {
  usage: "[OPTIONS] CONTAINER",
  summary:
    "Write the file system of a container as a tar. What is mounted in it (/proc, /dev, /sys, ...) is left out.",
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
    const session = await openSession(global, "export containers");
    const work = await exporter(session, name);
    recordEvent(session.database, findContainer(session.database, name).id, "export");
    return await writeArchive(
      "export",
      JSON.stringify(name),
      options.text("output"),
      work,
    );
  },
};

/** Finds a container, and how it is exported: one that runs with what it has made of itself. */
async function exporter(session: Session, name: string): Promise<ArchiveWork> {
  const found = findContainer(session.database, name);
  if (isRunning(found)) {
    const running = findRunning(found, "cannot export");
    return (sink, signal) => exportContainer(running, found.config.options.ids, sink, signal);
  }
  const lower = await lowerOf(session, found);
  return (sink, signal) => exportStopped(session, found, lower, sink, signal);
}
