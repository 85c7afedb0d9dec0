/** The rows of `dhow ps` (docker's cli/command/formatter/container.go). */
import type { ContainerRecord } from "../../container/records.ts";
import type { ContainerMount } from "../../container/mounts.ts";
import { formatTime } from "../format/time.ts";
import type { Listing, Row } from "../format/listing.ts";
import { humanDuration } from "../human.ts";

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

/** docker's word for what a container does. */
export function stateOf({ status }: Pick<ContainerRecord, "status">): string {
  return status === "foreground" ? "running" : status;
}

/** `Up 3 minutes`, `Exited (0) 2 hours ago`. */
export function statusOf(container: ContainerRecord, now: number): string {
  const { status, started, created, finished, exitCode } = container;
  if (status === "created") return "Created";
  if (status === "exited") {
    return `Exited (${exitCode ?? 255}) ${humanDuration(now - (finished ?? created))} ago`;
  }
  return `Up ${humanDuration(now - (started ?? created))}`;
}

/** Shortened as docker does it: the last of the characters that are left is an ellipsis. */
function truncated(text: string, length: number): string {
  const characters = [...text];
  return characters.length <= length ? text : `${characters.slice(0, length - 1).join("")}…`;
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
}

export function containerRow(container: ContainerRecord, { truncate, now }: RowOptions): Row {
  const { id, name, config, created, image } = container;
  const { options } = config;
  const command = config.command.join(" ");
  const labels = Object.entries(options.labels ?? {}).map(([key, value]) => `${key}=${value}`).join(",");
  const isId = options.image === image;
  return {
    fields: {
      ID: () => truncate ? id.slice(0, SHORT_ID) : id,
      Names: () => name,
      Image: () => isId && truncate ? image.replace(/^sha256:/, "").slice(0, SHORT_ID) : options.image,
      Command: () => JSON.stringify(truncate ? truncated(command, LONGEST_COMMAND) : command),
      CreatedAt: () => formatTime(created),
      RunningFor: () => `${humanDuration(now - created)} ago`,
      Ports: () => "",
      State: () => stateOf(container),
      Status: () => statusOf(container, now),
      Size: () => "0B",
      Labels: () => labels,
      LocalVolumes: () => String((config.mounts ?? []).filter(({ type }) => type === "volume").length),
      Mounts: () => (config.mounts ?? []).map((mount) => mountName(mount, truncate)).join(","),
      Networks: () => options.network,
    },
    methods: { Label: { arity: 1, call: (key: string) => options.labels?.[key] ?? "" } },
  };
}
