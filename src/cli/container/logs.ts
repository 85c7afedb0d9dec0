import { findContainer } from "../../container/records.ts";
import { LineAssembler, type LogLine, LogReader } from "../../container/log_reader.ts";
import { followLog } from "../../container/log_watch.ts";
import { logPath } from "../../container/settle.ts";
import { HostError, UsageError } from "../../errors.ts";
import { STREAMS } from "../../plan/monitor.ts";
import { ProcessHandle } from "../../state/process_end.ts";
import type { Command } from "../command.ts";
import { openSession } from "../session.ts";
import { readMoment } from "../moments.ts";

export const command: Command = {
  usage: "[OPTIONS] CONTAINER",
  summary: "Print what a container has written, each stream to its own.",
  options: [
    { name: "follow", short: "f", help: "go on until it ends" },
    {
      name: "since",
      value: "TIME",
      help: "only what came since then: 2026-01-31T12:00:00, 10m, seconds since 1970",
    },
    { name: "until", value: "TIME", help: "only what came until then" },
    { name: "tail", short: "n", value: "LINES", help: "only so many of the last lines" },
    { name: "timestamps", short: "t", help: "say when each line came" },
  ],
  async run({ args, options, global }) {
    const [name, extra] = args;
    if (name === undefined || extra !== undefined) {
      throw new UsageError({
        what: "cannot print logs",
        why: "one CONTAINER is needed",
        hint: "see: dhow logs --help",
      });
    }
    const [since, until] = [readMoment(options, "since"), readMoment(options, "until")];
    const isMeant = ({ seconds, nanoseconds }: LogLine) => {
      const time = seconds + nanoseconds / 1e9;
      return (since === undefined || time >= since) && (until === undefined || time <= until);
    };
    const tail = readTail(options.text("tail"));
    const withTimes = options.flag("timestamps");
    const { database, paths } = await openSession(global, "read logs");
    const container = findContainer(database, name);
    if (container.status === "foreground") {
      throw new UsageError({
        what: "cannot print logs",
        why: `container ${name} writes to the terminal it was started from`,
        hint: "logs are kept of containers that run with --detach or --rm=false",
      });
    }
    if (container.config.options.log.driver === "none") {
      throw new UsageError({
        what: "cannot print logs",
        why: "configured logging driver does not support reading",
        hint: `container ${name} was made with --log-driver none`,
      });
    }
    // whether it had ended is asked before the log is read to its end
    using owner = options.flag("follow") ? ProcessHandle.open(container.owner) : undefined;
    using reader = new LogReader(logPath(paths, container.id), container.config.options.log.maxFiles);
    const print = (line: LogLine) => write(line, withTimes);
    /** Reads what there is now. */
    const read = (use: (line: LogLine) => void) => {
      const lines = new LineAssembler();
      const keep = (line: LogLine) => isMeant(line) && use(line);
      for (let record = reader.next(); record !== undefined; record = reader.next()) {
        lines.add(record).forEach(keep);
      }
      if (owner === undefined) lines.rest().forEach(keep);
      return lines;
    };
    reader.stopAtPresent();
    let skipped = 0;
    if (tail !== undefined) {
      // counted, and then read once more: lines may be long, and many
      let count = 0;
      read(() => count++);
      skipped = Math.max(0, count - tail);
      reader.rewind();
    }
    const lines = read((line) => skipped > 0 ? skipped-- : print(line));
    reader.goOn();
    if (owner !== undefined) {
      await follow(reader, lines, logPath(paths, container.id), owner, (line) => {
        if (isMeant(line)) print(line);
      });
    }
    return 0;
  },
};

function readTail(text: string | undefined): number | undefined {
  if (text === undefined || text === "all") return undefined;
  // docker takes what is no number for all
  return /^\d{1,9}$/.test(text) ? Number(text) : undefined;
}

/** Prints what comes, until the container's owner has ended. */
async function follow(
  reader: LogReader,
  lines: LineAssembler,
  path: string,
  owner: ProcessHandle,
  print: (line: LogLine) => void,
): Promise<void> {
  await followLog(path, owner, () => {
    for (let record = reader.next(); record !== undefined; record = reader.next()) {
      lines.add(record).forEach(print);
    }
  });
  lines.rest().forEach(print);
}

/** RFC 3339 with nine digits, as docker writes it. */
function timestamp({ seconds, nanoseconds }: LogLine): string {
  const date = new Date(seconds * 1000).toISOString().slice(0, 19);
  return `${date}.${String(nanoseconds).padStart(9, "0")}Z `;
}

const ENCODER = new TextEncoder();

function write(line: LogLine, withTime: boolean): void {
  const stream = line.stream === STREAMS.errors ? Deno.stderr : Deno.stdout;
  const parts = withTime ? [ENCODER.encode(timestamp(line)), line.bytes] : [line.bytes];
  try {
    for (const part of parts) {
      for (let done = 0; done < part.length;) done += stream.writeSync(part.subarray(done));
    }
  } catch (error) {
    if (error instanceof Deno.errors.BrokenPipe) Deno.exit(0);
    const why = error instanceof Error ? error.message : String(error);
    throw new HostError({ what: "cannot print logs", why, cause: error });
  }
}
