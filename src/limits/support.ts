/** Which limits a host knows, asked as docker's daemon asks it (pkg/sysinfo). */
import { readIfThere } from "../state/read.ts";
import { pathExists } from "../../ffi/files.ts";
import { cgroupVersion, hierarchies } from "./cgroup.ts";

export interface HostSupport {
  readonly memory: boolean;
  readonly swap: boolean;
  readonly memoryReservation: boolean;
  readonly memorySwappiness: boolean;
  readonly oomKillDisable: boolean;
  readonly pids: boolean;
  readonly cpuShares: boolean;
  readonly cpuQuota: boolean;
  readonly cpuRealtime: boolean;
  readonly cpuset: boolean;
  readonly blockWeight: boolean;
  readonly blockWeightDevice: boolean;
  readonly blockReadBps: boolean;
  readonly blockWriteBps: boolean;
  readonly blockReadIOps: boolean;
  readonly blockWriteIOps: boolean;
  /** How many CPUs this process may use. */
  readonly cpus: number;
  /** `0-1`: those that there are for containers, and the memory nodes. */
  readonly cpusetCpus: string;
  readonly cpusetMems: string;
}

/** Looks at what of a host decides that. */
export interface HostView {
  /** @returns undefined when there is no such file */
  read(path: string): string | undefined;
  exists(path: string): boolean;
}

const HERE: HostView = { read: readIfThere, exists: pathExists };

/** @param base the cgroup of version 2, by its path, that hands controllers down; the topmost for root */
export function hostSupport(host: HostView = HERE, base = ""): HostSupport {
  const mounted = hierarchies(host.read("/proc/self/mountinfo") ?? "");
  const unified = mounted.find(({ version }) => version === 2)?.mountPoint;
  const own = /^Cpus_allowed_list:\s*(.+)$/m.exec(host.read("/proc/self/status") ?? "")?.[1] ?? "";
  const cpus = parseNumbers(own)?.size || 1;
  if (cgroupVersion(mounted) === 2 && unified !== undefined) {
    return { ...unifiedSupport(unified + base, host), cpus };
  }
  const folder = (controller: string) =>
    mounted.find(({ version, options }) => version === 1 && options.includes(controller))?.mountPoint;
  const has = (controller: string, file: string) => {
    const path = folder(controller);
    return path !== undefined && host.exists(`${path}/${file}`);
  };
  const cpuset = folder("cpuset");
  return {
    memory: folder("memory") !== undefined,
    swap: has("memory", "memory.memsw.limit_in_bytes"),
    memoryReservation: has("memory", "memory.soft_limit_in_bytes"),
    memorySwappiness: has("memory", "memory.swappiness"),
    oomKillDisable: has("memory", "memory.oom_control"),
    pids: folder("pids") !== undefined,
    cpuShares: has("cpu", "cpu.shares"),
    cpuQuota: has("cpu", "cpu.cfs_quota_us"),
    cpuRealtime: has("cpu", "cpu.rt_period_us"),
    cpuset: cpuset !== undefined,
    // the files of weights are not in the topmost cgroup with every scheduler: whether they are is seen when they are written
    blockWeight: folder("blkio") !== undefined,
    blockWeightDevice: folder("blkio") !== undefined,
    blockReadBps: has("blkio", "blkio.throttle.read_bps_device"),
    blockWriteBps: has("blkio", "blkio.throttle.write_bps_device"),
    blockReadIOps: has("blkio", "blkio.throttle.read_iops_device"),
    blockWriteIOps: has("blkio", "blkio.throttle.write_iops_device"),
    cpus,
    cpusetCpus: host.read(`${cpuset}/cpuset.cpus`)?.trim() ?? "",
    cpusetMems: host.read(`${cpuset}/cpuset.mems`)?.trim() ?? "",
  };
}

/** What the topmost cgroup may hand down. */
function unifiedSupport(top: string, host: HostView): Omit<HostSupport, "cpus"> {
  const controllers = (host.read(`${top}/cgroup.controllers`) ?? "").trim().split(" ");
  const [memory, cpu, io] = ["memory", "cpu", "io"].map((name) => controllers.includes(name));
  return {
    memory: memory!,
    // a kernel that counts none lacks the file only
    swap: memory!,
    memoryReservation: memory!,
    memorySwappiness: false,
    oomKillDisable: false,
    pids: controllers.includes("pids"),
    cpuShares: cpu!,
    cpuQuota: cpu!,
    cpuRealtime: false,
    cpuset: controllers.includes("cpuset"),
    blockWeight: io!,
    blockWeightDevice: io!,
    blockReadBps: io!,
    blockWriteBps: io!,
    blockReadIOps: io!,
    blockWriteIOps: io!,
    cpusetCpus: host.read(`${top}/cpuset.cpus.effective`)?.trim() ?? "",
    cpusetMems: host.read(`${top}/cpuset.mems.effective`)?.trim() ?? "",
  };
}

/** Docker takes no list with higher ones. */
const MOST_NUMBERS = 8192;

/** The numbers in a list such as `0-2,4` (cpuset(7), "List format"). @returns undefined for what is no such list */
export function parseNumbers(list: string): Set<number> | undefined {
  const numbers = new Set<number>();
  if (list === "") return numbers;
  for (const part of list.split(",")) {
    const [, first, last = first] = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(part) ?? [];
    const [from, to] = [Number(first), Number(last)];
    if (!(from <= to && to <= MOST_NUMBERS)) return undefined;
    for (let number = from; number <= to; number++) numbers.add(number);
  }
  return numbers;
}
