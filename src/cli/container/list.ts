import { allHealth, type HealthStatus } from "../../container/health.ts";
import { allContainers, type ContainerRecord, findContainer } from "../../container/records.ts";
import { portsIn } from "../../container/published.ts";
import { networkNames } from "../../container/options.ts";
import { seekNetwork } from "../../network/records.ts";
import type { Database } from "../../state/database.ts";
import { OptionError, UsageError } from "../../errors.ts";
import type { Command } from "../command.ts";
import { formatOf, formatRows } from "../format/listing.ts";
import { checkValues, type Filters, matchesName, parseFilters } from "../image/filters.ts";
import { hasLabel } from "../labels.ts";
import { print } from "../output.ts";
import { openSession } from "../session.ts";
import {
  containerRow,
  CONTAINERS,
  DEFAULT_FORMAT,
  healthStatus,
  isUp,
  pausedOnes,
  SIZE_COLUMN,
  stateOf,
  STATES,
} from "./rows.ts";

const FILTERS = [
  "ancestor",
  "before",
  "exited",
  "health",
  "id",
  "label",
  "name",
  "network",
  "since",
  "status",
  "volume",
];

/** What the filter of that name takes. */
const HEALTH: readonly string[] = ["none", "starting", "healthy", "unhealthy"];

export const command: Command = {
  usage: "[OPTIONS]",
  summary: "List containers, the newest first: those that run.",
  options: [
    { name: "all", short: "a", help: "also those that do not run" },
    {
      name: "filter",
      short: "f",
      value: "NAME=VALUE",
      repeats: true,
      help: `those that fit: ${FILTERS.join(", ")}`,
    },
    { name: "format", value: "TEMPLATE", help: "print by a Go template; table TEMPLATE, json" },
    { name: "last", short: "n", value: "NUMBER", help: "the newest so many, whether they run or not" },
    { name: "latest", short: "l", help: "the newest, whether it runs or not" },
    { name: "no-trunc", help: "print ids and commands in full" },
    { name: "quiet", short: "q", help: "print ids only" },
    { name: "size", short: "s", help: "say what they have written, and how large that is with the image" },
  ],
  async run({ args, options, global }) {
    if (args.length > 0) {
      throw new UsageError({ what: "cannot list containers", why: "ps takes no arguments" });
    }
    const given = parseFilters(options.list("filter"), FILTERS);
    const last = options.flag("latest") ? 1 : readCount(options.text("last"));
    const session = await openSession(global, "list containers");
    const { database } = session;
    const filters = byNetworkNames(given, database);
    const containers = allContainers(database);
    const isPaused = pausedOnes(containers);
    const checked = allHealth(database);
    const healthOf = (container: ContainerRecord) => checked.get(container.id);
    const meetsState = options.flag("all") || last !== undefined || filters.has("status") ||
      filters.has("exited");
    const found = filterContainers(
      containers,
      filters,
      (name) => findContainer(database, name),
      isPaused,
      healthOf,
    ).filter((container) => meetsState || isUp(container)).slice(0, last);
    const withSize = options.flag("size");
    const usual = withSize ? DEFAULT_FORMAT + SIZE_COLUMN : DEFAULT_FORMAT;
    const format = formatOf(options, usual, "{{.ID}}");
    // docker measures also when only the format wants it
    const needsSize = withSize || /\.Size\b/.test(format);
    const sizeOf = needsSize ? (await import("./sizes.ts")).sizesIn(session) : undefined;
    const how = {
      truncate: !options.flag("no-trunc"),
      now: Date.now(),
      isPaused,
      healthOf,
      portsOf: portsIn(database),
      sizeOf,
    };
    print(formatRows(CONTAINERS, found.map((container) => containerRow(container, how)), format));
    return 0;
  },
};

/** A network is given by its name or its id. */
function byNetworkNames(filters: Filters, database: Database): Filters {
  const wanted = filters.get("network");
  if (wanted === undefined) return filters;
  return new Map([...filters, ["network", wanted.map((text) => seekNetwork(database, text)?.name ?? text)]]);
}

function readCount(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (/^-?\d{1,9}$/.test(text)) return Number(text) > 0 ? Number(text) : undefined;
  throw new OptionError({ what: "cannot list containers", why: `${JSON.stringify(text)} is no number` });
}

/**
 * The containers that fit: of each filter one value, of labels all.
 * @param find the container that another filter's value names
 * @throws {DhowError} when a filter has an impossible value, or names a container that is not there
 */
export function filterContainers(
  containers: readonly ContainerRecord[],
  filters: Filters,
  find: (name: string) => ContainerRecord,
  isPaused: (container: ContainerRecord) => boolean,
  healthOf: (container: ContainerRecord) => HealthStatus | undefined = () => undefined,
): ContainerRecord[] {
  for (const value of filters.get("health") ?? []) {
    if (HEALTH.includes(value)) continue;
    throw new UsageError({ what: "Unrecognised filter value for health", why: value });
  }
  const tests: Readonly<Record<string, (container: ContainerRecord, value: string) => boolean>> = {
    ancestor: ({ image, config }, value) =>
      image.startsWith(value) || image.startsWith(`sha256:${value}`) || config.options.image === value ||
      config.options.image === `${value}:latest` || `${config.options.image}:latest` === value,
    exited: ({ status, exitCode }, value) => status === "exited" && exitCode === Number(value),
    health: (container, value) => {
      const runs = stateOf(container, isPaused(container)) === "running";
      return (healthStatus(healthOf(container), runs) ?? "none") === value;
    },
    id: ({ id }, value) => id.startsWith(value),
    // which may have a slash before it
    name: ({ name }, value) => matchesName(name, value) || matchesName(`/${name}`, value),
    network: ({ config }, value) => networkNames(config.options).includes(value),
    status: (container, value) => stateOf(container, isPaused(container)) === value,
    volume: ({ config }, value) =>
      (config.mounts ?? []).some((mount) =>
        mount.target === value || (mount.type === "volume" && mount.name === value) ||
        (mount.type === "bind" && mount.source === value)
      ),
  };
  checkValues(filters, "status", (value) => STATES.includes(value));
  checkValues(filters, "exited", (value) => /^[+-]?\d{1,9}$/.test(value));
  const before = Math.min(...(filters.get("before") ?? []).map((name) => find(name).created));
  const since = Math.max(...(filters.get("since") ?? []).map((name) => find(name).created));
  return containers.filter((container) =>
    container.created < before && container.created > since &&
    (filters.get("label") ?? []).every((label) => hasLabel(container.config.options.labels, label)) &&
    Object.entries(tests).every(([name, test]) => {
      const values = filters.get(name);
      return values === undefined || values.some((value) => test(container, value));
    })
  );
}
