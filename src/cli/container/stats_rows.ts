/** The rows of `dhow stats` (docker's cli/command/container/formatter_stats.go). */
import type { Usage } from "../../limits/usage.ts";
import type { Listing, Row } from "../format/listing.ts";
import { binarySize, humanSize } from "../human.ts";

export const STATS: Listing = {
  type: "*container.statsContext",
  headers: {
    Container: "CONTAINER",
    ID: "CONTAINER ID",
    Name: "NAME",
    CPUPerc: "CPU %",
    MemUsage: "MEM USAGE / LIMIT",
    MemPerc: "MEM %",
    NetIO: "NET I/O",
    BlockIO: "BLOCK I/O",
    PIDs: "PIDS",
  },
};

export const DEFAULT_FORMAT =
  "table {{.ID}}\\t{{.Name}}\\t{{.CPUPerc}}\\t{{.MemUsage}}\\t{{.MemPerc}}\\t{{.NetIO}}" +
  "\\t{{.BlockIO}}\\t{{.PIDs}}";

/** A container, and what it used at two moments; undefined when it does not run. */
export interface Measured {
  readonly id: string;
  readonly name: string;
  /** What the user called it. */
  readonly container: string;
  readonly before: Usage | undefined;
  readonly now: Usage | undefined;
}

const percent = (share: number) => `${share.toFixed(2)}%`;

export function statsRow({ id, name, container, before, now }: Measured, truncate: boolean): Row {
  const pair = (a = 0, b = 0) => `${humanSize(a)} / ${humanSize(b)}`;
  const { memory = 0, memoryLimit = 0 } = now ?? {};
  const memoryText = `${binarySize(memory)} / ${binarySize(memoryLimit)}`;
  return {
    fields: {
      Container: () => container,
      ID: () => truncate ? id.slice(0, 12) : id,
      Name: () => name,
      CPUPerc: () => percent(cpuShare(before, now)),
      MemUsage: () => memoryText,
      MemPerc: () => percent(memoryLimit === 0 ? 0 : 100 * memory / memoryLimit),
      NetIO: () => pair(now?.received, now?.sent),
      BlockIO: () => pair(now?.read, now?.written),
      PIDs: () => String(now?.processes ?? 0),
    },
  };
}

/** In percent of one CPU, as docker counts. */
function cpuShare(before: Usage | undefined, now: Usage | undefined): number {
  if (before === undefined || now === undefined || now.at <= before.at) return 0;
  return Math.max(0, 100 * (now.cpu - before.cpu) / ((now.at - before.at) * 1e6));
}
