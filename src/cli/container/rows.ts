/** The rows of `dhow ps` (docker's cli/command/formatter/container.go). */
import type { ContainerMount } from "../../container/mounts.ts";
import type { HealthStatus } from "../../container/health.ts";
import { networkNames } from "../../container/options.ts";
import { cgroupOf, type ContainerRecord } from "../../container/records.ts";
import { Freezers } from "../../limits/freezer.ts";
import { portsText, type PublishedPort } from "../../network/ports.ts";
import { formatTime } from "../format/time.ts";
import type { Listing, Row } from "../format/listing.ts";
import { humanDuration, humanSize } from "../human.ts";
import { labelOf } from "../labels.ts";
import { quoteGo } from "../template/literals.ts";

const SHORT_ID = 12;
const LONGEST_COMMAND = 20;
const LONGEST_MOUNT = 15;

export const CONTAINERS: Listing = {
  type: "*formatter.ContainerContext",
  headers: {
    ID: "CONTAINER ID",
    Names: "NAMES",
    Image: "IMAGE",
    Command: "COMMAND",
    CreatedAt: "CREATED AT",
    RunningFor: "CREATED",
    Ports: "PORTS",
    State: "STATE",
    Status: "STATUS",
    Size: "SIZE",
    Labels: "LABELS",
    LocalVolumes: "LOCAL VOLUMES",
    Mounts: "MOUNTS",
    Networks: "NETWORKS",
  },
};

export const DEFAULT_FORMAT =
  "table {{.ID}}\\t{{.Image}}\\t{{.Command}}\\t{{.RunningFor}}\\t{{.Status}}\\t{{.Ports}}\\t{{.Names}}";

/** What --size adds. */
export const SIZE_COLUMN = "\\t{{.Size}}";

/** docker's words for what a container does; removing and dead are none of dhow's containers. */
export const STATES: readonly string[] = [
  "created",
  "running",
  "paused",
  "restarting",
  "removing",
  "exited",
  "dead",
];

/** Which of them holds for a container. */
export function stateOf({ status }: Pick<ContainerRecord, "status">, isPaused = false): string {
  if (isPaused) return "paused";
  return status === "foreground" ? "running" : status;
}

/** Whether lists show it without being asked for all. */
export function isUp(container: Pick<ContainerRecord, "status">): boolean {
  return ["running", "restarting"].includes(stateOf(container));
}

/** Tells which of some containers stand still, as the kernel has it now: all are looked at when one is asked for. */
export function pausedOnes(containers: readonly ContainerRecord[]): (container: ContainerRecord) => boolean {
  let paused: ReadonlySet<string> | undefined;
  const find = () =>
    new Freezers().frozenAmong(containers.filter(({ owner }) => owner !== null).map(cgroupOf));
  return (container) => (paused ??= find()).has(cgroupOf(container));
}

/** `Up 3 minutes (healthy)`, `Exited (0) 2 hours ago`. */
export function statusOf(
  container: ContainerRecord,
  now: number,
  isPaused = false,
  health: HealthStatus | undefined = undefined,
): string {
  const { status, started, created, finished, exitCode } = container;
  if (status === "created") return "Created";
  if (status === "exited" || status === "restarting") {
    const word = status === "exited" ? "Exited" : "Restarting";
    return `${word} (${exitCode ?? 255}) ${humanDuration(now - (finished ?? created))} ago`;
  }
  const word = isPaused ? "Paused" : health === "starting" ? "health: starting" : health;
  return `Up ${humanDuration(now - (started ?? created))}${word === undefined ? "" : ` (${word})`}`;
}

/** What docker says of a container's health: one that does not run, or stands still, is unhealthy if it was ever checked. */
export function healthStatus(
  checked: HealthStatus | undefined,
  runs: boolean,
): HealthStatus | undefined {
  return checked === undefined || runs ? checked : "unhealthy";
}

/** Shortened as docker does it: the last of the characters that are left is an ellipsis. */
function truncated(text: string, length: number): string {
  if (text.length <= length) return text;
  const characters = [...text];
  return characters.length <= length ? text : `${characters.slice(0, length - 1).join("")}…`;
}

/** In docker's way (container/view.go): quotes around arguments with spaces, which need not be right for a shell. */
export function commandText([program = "", ...args]: readonly string[]): string {
  return [program, ...args.map((arg) => arg.includes(" ") ? `'${arg}'` : arg)].join(" ");
}

/** docker lists volumes by their names, and the rest by what is mounted; a tmpfs is nothing. */
function mountName(mount: ContainerMount, truncate: boolean): string {
  const name = mount.type === "volume" ? mount.name : mount.type === "bind" ? mount.source : "";
  return truncate ? truncated(name, LONGEST_MOUNT) : name;
}

export interface RowOptions {
  readonly truncate: boolean;
  /** In milliseconds since 1970. */
  readonly now: number;
  readonly isPaused: (container: ContainerRecord) => boolean;
  /** What the last check of its health has found; undefined when there is none. */
  readonly healthOf?: (container: ContainerRecord) => HealthStatus | undefined;
  /** The ports that are published; absent for none. */
  readonly portsOf?: (container: ContainerRecord) => readonly PublishedPort[];
  /** What the writable layer takes, and that with the image, in bytes; undefined when nobody asked. */
  readonly sizeOf?:
    | ((container: ContainerRecord) => { readonly own: number; readonly all: number })
    | undefined;
}

export function containerRow(
  container: ContainerRecord,
  { truncate, now, isPaused, healthOf, portsOf, sizeOf }: RowOptions,
): Row {
  const { id, name, config, created, image } = container;
  const { options } = config;
  const command = commandText(config.command);
  const isId = options.image === image;
  return {
    fields: {
      ID: () => truncate ? id.slice(0, SHORT_ID) : id,
      Names: () => name,
      Image: () => isId && truncate ? image.replace(/^sha256:/, "").slice(0, SHORT_ID) : options.image,
      Command: () => quoteGo(truncate ? truncated(command, LONGEST_COMMAND) : command),
      CreatedAt: () => formatTime(created),
      RunningFor: () => `${humanDuration(now - created)} ago`,
      Ports: () => portsText(portsOf?.(container) ?? []),
      State: () => stateOf(container, isPaused(container)),
      Status: () => statusOf(container, now, isPaused(container), healthOf?.(container)),
      Size: () => sizeText(sizeOf?.(container)),
      Labels: () => Object.entries(options.labels ?? {}).map(([key, value]) => `${key}=${value}`).join(","),
      LocalVolumes: () => String((config.mounts ?? []).filter(({ type }) => type === "volume").length),
      Mounts: () => (config.mounts ?? []).map((mount) => mountName(mount, truncate)).join(","),
      Networks: () => networkNames(options).join(","),
    },
    methods: { Label: { arity: 1, call: (key: string) => labelOf(options.labels, key) ?? "" } },
  };
}

function sizeText(size: { readonly own: number; readonly all: number } | undefined): string {
  return size === undefined ? "0B" : `${humanSize(size.own)} (virtual ${humanSize(size.all)})`;
}
