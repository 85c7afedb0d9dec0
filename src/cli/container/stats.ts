import {
  allContainers,
  cgroupOf,
  type ContainerRecord,
  findContainer,
  isRunning,
  seekContainer,
} from "../../container/records.ts";
import { type Usage, UsageReader } from "../../limits/usage.ts";
import type { Database } from "../../state/database.ts";
import type { Command } from "../command.ts";
import { formatOf, formatRows } from "../format/listing.ts";
import { print } from "../output.ts";
import { openSession } from "../session.ts";
import { DEFAULT_FORMAT, type Measured, STATS, statsRow } from "./stats_rows.ts";
import { hasCgroup, withoutCgroup } from "../../container/user_namespace.ts";

/** Between two looks; docker's. */
const INTERVAL_MS = 1000;

/** Clears the terminal, and goes to its first line (console_codes(4)). */
const CLEAR = "\x1b[2J\x1b[H";

export const command: Command = {
  usage: "[OPTIONS] [CONTAINER...]",
  summary: "Show what containers use, again and again: those that are named, or all that run.",
  options: [
    { name: "all", short: "a", help: "also those that do not run" },
    { name: "format", value: "TEMPLATE", help: "print by a Go template; table TEMPLATE, json" },
    { name: "no-stream", help: "print one table and end" },
    { name: "no-trunc", help: "print ids in full" },
  ],
  async run({ args, options, global }) {
    const { database } = await openSession(global, "measure containers");
    for (const name of args) {
      const container = findContainer(database, name); // a wrong one is told at once
      if (isRunning(container) && !hasCgroup(container)) {
        throw withoutCgroup(`cannot measure container ${name}`);
      }
    }
    const format = formatOf(options, DEFAULT_FORMAT);
    const reader = new UsageReader();
    const measure = () =>
      new Map(chosen(database, args, options.flag("all")).map((each) => look(reader, each)));
    let before = measure();
    while (true) {
      await new Promise((resolve) => setTimeout(resolve, INTERVAL_MS));
      const now = measure();
      const rows = [...now.values()].map((each) =>
        statsRow({ ...each, before: before.get(each.id)?.now }, !options.flag("no-trunc"))
      );
      const isLive = !options.flag("no-stream");
      const isRead = print(`${isLive ? CLEAR : ""}${formatRows(STATS, rows, format)}`);
      if (!isLive || !isRead) return 0;
      before = now;
    }
  },
};

interface Chosen {
  readonly record: ContainerRecord;
  readonly container: string;
}

/** What is named, as far as it is still there; else all. */
function chosen(database: Database, names: readonly string[], all: boolean): Chosen[] {
  if (names.length > 0) {
    return names.flatMap((container) => {
      const record = seekContainer(database, container);
      return record === undefined ? [] : [{ record, container }];
    });
  }
  return allContainers(database).filter((record) => all || isRunning(record))
    .map((record) => ({ record, container: record.id.slice(0, 12) }));
}

function look(reader: UsageReader, { record, container }: Chosen): [id: string, measured: Measured] {
  const { id, name, process, config } = record;
  const pid = config.options.network === "host" ? undefined : process?.pid;
  const now: Usage | undefined = isRunning(record) ? reader.read(cgroupOf(record), pid) : undefined;
  return [id, { id, name, container, before: undefined, now }];
}
