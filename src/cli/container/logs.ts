import { findContainer } from "../../container/records.ts";
import { LineAssembler, type LogLine, LogReader } from "../../container/log_reader.ts";
import { followLog } from "../../container/log_watch.ts";
import { logPath } from "../../container/settle.ts";
import { HostError, UsageError } from "../../errors.ts";
import { STREAMS } from "../../plan/monitor_layout.ts";
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
    const printer = new LogPrinter(options.flag("timestamps"));
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
    const lines = read((line) => skipped > 0 ? skipped-- : printer.print(line));
    printer.flush();
    reader.goOn();
    if (owner !== undefined) {
      await followLog(logPath(paths, container.id), owner, () => {
        for (let record = reader.next(); record !== undefined; record = reader.next()) {
          for (const line of lines.add(record)) if (isMeant(line)) printer.print(line);
        }
        printer.flush();
      });
      for (const line of lines.rest()) if (isMeant(line)) printer.print(line);
      printer.flush();
    }
    return 0;
  },
};

function readTail(text: string | undefined): number | undefined {
  if (text === undefined || text === "all") return undefined;
  // docker takes what is no number for all
  return /^\d{1,9}$/.test(text) ? Number(text) : undefined;
}

/** RFC 3339 with nine digits, as docker writes it. */
function timestamp({ seconds, nanoseconds }: LogLine): string {
  const date = new Date(seconds * 1000).toISOString().slice(0, 19);
  return `${date}.${String(nanoseconds).padStart(9, "0")}Z `;
}

const ENCODER = new TextEncoder();

/** So much is gathered before it is written: a write for each line takes most of the time. */
const GATHERED = 64 << 10;

/** Writes lines to the stream that they came from, in their order. */
class LogPrinter {
  readonly #parts: Uint8Array[] = [];
  #size = 0;
  #stream: number = STREAMS.output;

  constructor(readonly withTimes: boolean) {}

  print(line: LogLine): void {
    if (line.stream !== this.#stream) this.flush();
    this.#stream = line.stream;
    const parts = this.withTimes ? [ENCODER.encode(timestamp(line)), line.bytes] : [line.bytes];
    for (const part of parts) {
      this.#parts.push(part);
      this.#size += part.length;
    }
    if (this.#size >= GATHERED) this.flush();
  }

  /** @throws {HostError} when it cannot be written; the process ends when nobody reads it */
  flush(): void {
    const stream = this.#stream === STREAMS.errors ? Deno.stderr : Deno.stdout;
    const all = new Uint8Array(this.#size);
    let at = 0;
    for (const part of this.#parts.splice(0)) {
      all.set(part, at);
      at += part.length;
    }
    this.#size = 0;
    try {
      for (let done = 0; done < all.length;) done += stream.writeSync(all.subarray(done));
    } catch (error) {
      if (error instanceof Deno.errors.BrokenPipe) Deno.exit(0);
      const why = error instanceof Error ? error.message : String(error);
      throw new HostError({ what: "cannot print logs", why, cause: error });
    }
  }
}
