import { dirname } from "@std/path";
import { type Event, eventsAfter, lastEvent } from "../../container/events.ts";
import { UsageError } from "../../errors.ts";
import { FolderWatch } from "../../state/folder_watch.ts";
import { databasePath } from "../../state/paths.ts";
import type { Command } from "../command.ts";
import { readMoment } from "../moments.ts";
import { formatFixed } from "../format/time.ts";
import { type Filters, parseFilters } from "../image/filters.ts";
import { hasLabel } from "../labels.ts";
import { print, printable } from "../output.ts";
import { openSession, type Session } from "../session.ts";
import { Template } from "../template/template.ts";
import { GoMap, Struct } from "../template/value.ts";

const FILTERS = ["container", "event", "image", "label", "network", "scope", "type", "volume"];

export const command: Command = {
  usage: "[OPTIONS]",
  summary:
    "Print what happens to containers, networks, images and volumes, as it does. The last 1000 events are kept.",
  options: [
    {
      name: "filter",
      short: "f",
      value: "NAME=VALUE",
      repeats: true,
      help: `those that fit: ${FILTERS.join(", ")}`,
    },
    { name: "format", value: "TEMPLATE", help: "print by a Go template; json" },
    { name: "since", value: "TIME", help: "begin with what has happened since then: 10m, a date, seconds" },
    { name: "until", value: "TIME", help: "end then" },
  ],
  async run({ args, options, global }) {
    if (args.length > 0) {
      throw new UsageError({ what: "cannot print events", why: "events takes no arguments" });
    }
    const filters = parseFilters(options.list("filter"), FILTERS);
    const until = milliseconds(readMoment(options, "until"));
    // as docker has it: who says when to end wants what has been
    const since = milliseconds(readMoment(options, "since")) ?? (until === undefined ? undefined : 0);
    const show = printerOf(options.text("format") ?? "");
    const session = await openSession(global, "look at events");
    await follow(session, { since, until }, (event) => isMeant(event, filters) ? show(event) : true);
    return 0;
  },
};

const milliseconds = (seconds: number | undefined) => seconds === undefined ? undefined : 1000 * seconds;

/** A change of the database's log can be seen a moment before the transaction can: so look once more, so long after the last. */
const LOOK_AGAIN_MS = 50;

/**
 * Hands events on until a time, or for ever: each change of the database's files is a moment to look.
 * @param since what happened from then on comes first, in milliseconds since 1970; undefined for nothing
 * @param show returns whether somebody still wants more
 */
async function follow(
  { database, paths }: Session,
  { since, until = Infinity }: { since: number | undefined; until: number | undefined },
  show: (event: Event) => boolean,
): Promise<void> {
  // before the first look: what happens in between is an event for it
  using watch = new FolderWatch(dirname(databasePath(paths)));
  let last = since === undefined ? lastEvent(database) : 0;
  const look = () => {
    for (const event of eventsAfter(database, last)) {
      last = event.id;
      // in the order in which they were written down, which is not that of their times where the clock was set back
      if (event.time > until || event.time < (since ?? 0)) continue;
      if (!show(event)) return false;
    }
    return Date.now() < until;
  };
  let mayComeLate = false;
  while (look()) {
    mayComeLate = await watch.changed(Math.min(until - Date.now(), mayComeLate ? LOOK_AGAIN_MS : Infinity));
  }
}

/** Of each filter one value has to fit, of labels all. */
function isMeant({ type, action, actor, attributes }: Event, filters: Filters): boolean {
  const isCalled = (value: string, id: string | undefined, name: string | undefined) =>
    value === name || (id !== undefined && value.length > 0 && id.startsWith(value));
  const image = type === "image" ? attributes["name"] : attributes["image"];
  const tests: Readonly<Record<string, (value: string) => boolean>> = {
    container: (value) => type === "container" && isCalled(value, actor, attributes["name"]),
    // of those that say more than a word, as exec_create: COMMAND, docker takes the word
    event: (value) => action === value || action.startsWith(`${value}: `),
    image: (value) =>
      image === value || image === `${value}:latest` || (type === "image" && isCalled(value, actor, image)),
    network: (value) => type === "network" && isCalled(value, actor, attributes["name"]),
    scope: (value) => value === "local",
    type: (value) => type === value,
    volume: (value) => type === "volume" && isCalled(value, undefined, actor),
  };
  return (filters.get("label") ?? []).every((label) => hasLabel(attributes, label)) &&
    Object.entries(tests).every(([name, fits]) => filters.get(name)?.some(fits) ?? true);
}

/** @returns prints an event; false when nobody reads that any more */
function printerOf(format: string): (event: Event) => boolean {
  if (format === "") return (event) => print(`${printable(lineOf(event))}\n`);
  const template = new Template(format === "json" ? "{{json .}}" : format);
  return (event) => print(`${template.execute(describe(event))}\n`);
}

/** docker's line: `2026-01-31T12:00:00.000000000Z container start ID (image=busybox, name=web)`. */
function lineOf({ time, type, action, actor, attributes }: Event): string {
  const items = Object.entries(attributes).sort(([a], [b]) => a < b ? -1 : 1).map(([name, value]) =>
    `${name}=${value}`
  );
  return `${formatFixed(time)} ${type} ${action} ${actor}${
    items.length === 0 ? "" : ` (${items.join(", ")})`
  }`;
}

function describe({ time, type, action, actor, attributes }: Event): Struct {
  const map = new GoMap(new Map(Object.entries(attributes)));
  const isContainer = type === "container";
  // docker's members from before there were events of other types
  const isOld = isContainer || type === "image";
  return new Struct("events.Message", [
    { name: "Status", json: "status", value: isOld ? action : "", omitEmpty: true },
    { name: "ID", json: "id", value: isOld ? actor : "", omitEmpty: true },
    { name: "From", json: "from", value: isContainer ? attributes["image"] ?? "" : "", omitEmpty: true },
    { name: "Type", value: type },
    { name: "Action", value: action },
    {
      name: "Actor",
      value: new Struct("events.Actor", [{ name: "ID", value: actor }, { name: "Attributes", value: map }]),
    },
    { name: "Scope", json: "scope", value: "local" },
    { name: "Time", json: "time", value: Math.floor(time / 1000) },
    { name: "TimeNano", json: "timeNano", value: time * 1e6 },
  ]);
}
