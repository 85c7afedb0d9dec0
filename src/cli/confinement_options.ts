/** What a container's processes may use and see of the kernel, with docker's words for what cannot be. */
import type { RunOptions } from "../container/options.ts";
import { isRlimitName, type Rlimit } from "../plan/rlimits.ts";
import type { Option, ParsedOptions } from "./command.ts";
import { parseInteger } from "./integer.ts";
import { parseSize } from "./size.ts";
import { networkModeOf } from "./network_options.ts";
import type { Wrong } from "./run_options.ts";
import { hasUserNamespace } from "./userns_options.ts";

export const CONFINEMENT_OPTIONS: readonly Option[] = [
  { name: "read-only", help: "let it write nowhere but to /dev, volumes and tmpfs" },
  { name: "shm-size", value: "BYTES", help: "how much /dev/shm holds (default: 64m)" },
  {
    name: "ulimit",
    value: "NAME=SOFT[:HARD]",
    repeats: true,
    help: "limit its processes: nofile, nproc, core, ...; -1 for no limit",
  },
  {
    name: "oom-score-adj",
    value: "NUMBER",
    help: "how readily the kernel ends it when memory is short: -1000 to 1000",
  },
  {
    name: "sysctl",
    value: "NAME=VALUE",
    repeats: true,
    help: "set a parameter of the kernel that is the container's own: net.*, fs.mqueue.*, kernel.shm*, ...",
  },
  { name: "cgroupns", value: "MODE", help: "private (default) or host: whose cgroups it sees" },
  { name: "timens", value: "MODE", help: "host (default) or private: whose clocks since boot it has" },
  {
    name: "monotonic",
    value: "SECONDS",
    help: "its monotonic clock against the host's; implies --timens private",
  },
  { name: "boottime", value: "SECONDS", help: "its uptime against the host's; implies --timens private" },
];

type Confinement = Pick<
  RunOptions,
  | "readOnly"
  | "sharedMemorySize"
  | "rlimits"
  | "oomScoreAdjustment"
  | "sysctls"
  | "cgroupNamespace"
  | "timeOffsets"
>;

/**
 * @param malformed for what docker's client refuses by itself
 * @throws {UsageError} for what docker would not take
 */
export function readConfinement(options: ParsedOptions, wrong: Wrong, malformed: Wrong): Confinement {
  const rlimits = readRlimits(options.list("ulimit"), malformed);
  const sysctls = readSysctls(options, wrong, malformed);
  const size = readSharedMemory(options.text("shm-size"), malformed);
  const adjustment = readAdjustment(options.text("oom-score-adj"), wrong, malformed);
  const cgroups = options.text("cgroupns") || "private";
  if (cgroups !== "private" && cgroups !== "host") throw malformed("--cgroupns: invalid CGROUP mode");
  if (cgroups === "host" && hasUserNamespace(options)) {
    throw wrong("--cgroupns host and --userns contradict each other");
  }
  const timeOffsets = readClocks(options, wrong, malformed);
  return {
    ...(timeOffsets === undefined ? {} : { timeOffsets }),
    ...(options.flag("read-only") ? { readOnly: true } : {}),
    ...(size === undefined ? {} : { sharedMemorySize: size }),
    ...(rlimits.length === 0 ? {} : { rlimits }),
    ...(adjustment === undefined ? {} : { oomScoreAdjustment: adjustment }),
    ...(Object.keys(sysctls).length === 0 ? {} : { sysctls }),
    ...(cgroups === "host" ? { cgroupNamespace: "host" as const } : {}),
  };
}

/** @returns undefined for the host's clocks */
function readClocks(options: ParsedOptions, wrong: Wrong, malformed: Wrong): RunOptions["timeOffsets"] {
  const mode = options.text("timens") || undefined;
  if (mode !== undefined && mode !== "host" && mode !== "private") {
    throw malformed("--timens: invalid mode; there are private and host");
  }
  const offset = (name: "monotonic" | "boottime") => {
    const text = options.text(name) ?? "0";
    if (!/^[-+]?\d{1,10}$/.test(text)) {
      throw malformed(invalid(text, name, "it is no whole number of seconds"));
    }
    return Number(text);
  };
  const offsets = { monotonic: offset("monotonic"), boottime: offset("boottime") };
  const isGiven = options.text("monotonic") !== undefined || options.text("boottime") !== undefined;
  if (isGiven && mode === "host") {
    throw wrong("--timens host and --monotonic or --boottime contradict each other");
  }
  return isGiven || mode === "private" ? offsets : undefined;
}

const invalid = (text: string, name: string, why: string) =>
  `invalid argument ${JSON.stringify(text)} for "--${name}" flag: ${why}`;

/** docker takes 0 for its default. */
function readSharedMemory(text: string | undefined, malformed: Wrong): number | undefined {
  if (text === undefined) return undefined;
  const size = parseSize(text);
  if (size === undefined) throw malformed(invalid(text, "shm-size", `invalid size: '${text}'`));
  return size === 0 ? undefined : size;
}

function readAdjustment(text: string | undefined, wrong: Wrong, malformed: Wrong): number | undefined {
  if (text === undefined) return undefined;
  const value = parseInteger(text);
  if (value === undefined) {
    throw malformed(
      invalid(text, "oom-score-adj", `strconv.ParseInt: parsing ${JSON.stringify(text)}: invalid syntax`),
    );
  }
  if (Math.abs(value) > 1000) {
    throw wrong(`Invalid value ${value}, range for oom score adj is [-1000, 1000]`);
  }
  return value;
}

/** Of several for one resource the last holds. */
function readRlimits(texts: readonly string[], malformed: Wrong): Rlimit[] {
  const limits = texts.map((text) => readRlimit(text, (why) => malformed(invalid(text, "ulimit", why))));
  return [...new Map(limits.map((limit) => [limit.name, limit])).values()];
}

/** docker/go-units, ParseUlimit. */
function readRlimit(text: string, wrong: (why: string) => Error): Rlimit {
  const [, name, values] = /^([^=]*)=(.*)$/s.exec(text) ?? [];
  if (name === undefined || values === undefined) throw wrong(`invalid ulimit argument: ${text}`);
  if (!isRlimitName(name)) throw wrong(`invalid ulimit type: ${name}`);
  const parts = values.split(":");
  if (parts.length > 2) {
    throw wrong(`too many limit value arguments - ${values}, can only have up to two, \`soft[:hard]\``);
  }
  const [soft, hard = soft] = parts.map((part) => {
    const value = Number(part);
    if (!/^[-+]?\d+$/.test(part)) {
      throw wrong(`strconv.ParseInt: parsing ${JSON.stringify(part)}: invalid syntax`);
    }
    if (value < -1 || !Number.isSafeInteger(value)) throw wrong(`${part} is no limit`);
    return value;
  }) as [number, number?];
  if (hard !== -1 && (soft === -1 || soft > hard)) {
    const shown = soft === -1 ? "-1 (unlimited)" : soft;
    throw wrong(`ulimit soft limit must be less than or equal to hard limit: soft: ${shown}, hard: ${hard}`);
  }
  return { name, soft, hard };
}

/** Parameters of an IPC namespace (ipc_namespaces(7)). */
const IPC_SYSCTLS = [
  "kernel.msgmax",
  "kernel.msgmnb",
  "kernel.msgmni",
  "kernel.sem",
  "kernel.shmall",
  "kernel.shmmax",
  "kernel.shmmni",
  "kernel.shm_rmid_forced",
];
const isIpc = (name: string) => IPC_SYSCTLS.includes(name) || /^fs\.mqueue\.\w/.test(name);

function readSysctls(options: ParsedOptions, wrong: Wrong, malformed: Wrong): Record<string, string> {
  const found = options.list("sysctl").map((text) => {
    const at = text.indexOf("=");
    const [name, value] = at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)];
    // what is no name of a parameter could be a way to another file
    const isKnown = /^[\w.-]+(\/[\w.-]+)*$/.test(name) && (isIpc(name) || /^net\.\w/.test(name));
    if (value === undefined || !isKnown || name.includes("/")) {
      throw malformed(invalid(text, "sysctl", `sysctl '${text}' is not whitelisted`));
    }
    if (/[\0\n]/.test(value)) throw malformed(invalid(text, "sysctl", "its value has more than one line"));
    return [name, value] as const;
  });
  for (const [name] of found) {
    if (name.startsWith("net.") && networkModeOf(options) === "host") {
      throw wrong(`sysctl ${JSON.stringify(name)} not allowed in host network namespace`);
    }
    if (isIpc(name) && options.text("ipc") === "host") {
      throw wrong(`sysctl ${JSON.stringify(name)} is not allowed in the hosts ipc namespace`);
    }
  }
  return Object.fromEntries(found);
}
