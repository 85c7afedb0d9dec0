/** Limits as files of cgroup v1 (Documentation/admin-guide/cgroup-v1/), translated as runc does it. */
import type { Resources, Throttle } from "../plan/oci.ts";
import type { CgroupSetting } from "../plan/step.ts";
import { NO_DEVICE_WEIGHT, NO_WEIGHT, numberOrMax, setting } from "./settings.ts";

/** What a cgroup has now; it decides in which order its limits can be changed. */
export interface Current {
  /** Of memory, in bytes. */
  readonly memoryLimit: number;
}

/** Files to write in a container's cgroups, in this order, by the controller in whose hierarchy they are. */
export type SettingsByController = Readonly<Record<string, readonly CgroupSetting[]>>;

const NEW: Current = { memoryLimit: Infinity };

/** @param current absent for a new cgroup */
export function settingsV1(resources: Omit<Resources, "devices">, current = NEW): SettingsByController {
  return {
    memory: memorySettings(resources.memory ?? {}, current),
    cpu: cpuSettings(resources.cpu ?? {}),
    cpuset: cpusetSettings(resources.cpu ?? {}),
    pids: setting("pids.max", resources.pids && numberOrMax(resources.pids.limit)),
    blkio: blockSettings(resources.blockIO ?? {}),
  };
}

function memorySettings(
  { limit, reservation, swap: wanted, swappiness, disableOOMKiller }: NonNullable<Resources["memory"]>,
  { memoryLimit }: Current,
): CgroupSetting[] {
  // without a limit of memory one of both together would mean nothing
  const swap = wanted ?? (limit === -1 ? -1 : undefined);
  const memory = setting("memory.limit_in_bytes", limit);
  // a kernel that does not count swap lacks the file: then there is no limit of it anyway
  const both = setting("memory.memsw.limit_in_bytes", swap)
    .map((each): CgroupSetting => swap === -1 ? { ...each, mayLack: true } : each);
  // at no time may both together be less than memory alone: the kernel refuses that
  const grows = limit !== undefined && swap !== undefined && (swap === -1 || memoryLimit < swap);
  return [
    ...(grows ? [...both, ...memory] : [...memory, ...both]),
    ...setting("memory.soft_limit_in_bytes", reservation),
    ...setting("memory.swappiness", swappiness),
    ...setting("memory.oom_control", disableOOMKiller === true ? 1 : undefined),
  ];
}

function cpuSettings(
  { shares, quota, period, realtimeRuntime, realtimePeriod }: NonNullable<Resources["cpu"]>,
): CgroupSetting[] {
  return [
    // the runtime must fit into the period
    ...setting("cpu.rt_period_us", realtimePeriod),
    ...setting("cpu.rt_runtime_us", realtimeRuntime),
    ...setting("cpu.shares", shares),
    ...setting("cpu.cfs_period_us", period),
    ...setting("cpu.cfs_quota_us", quota),
  ];
}

function cpusetSettings({ cpus, mems }: NonNullable<Resources["cpu"]>): CgroupSetting[] {
  return [...setting("cpuset.cpus", cpus), ...setting("cpuset.mems", mems)];
}

function blockSettings(
  {
    weight,
    weightDevice = [],
    throttleReadBpsDevice = [],
    throttleWriteBpsDevice = [],
    throttleReadIOPSDevice = [],
    throttleWriteIOPSDevice = [],
  }: NonNullable<Resources["blockIO"]>,
): CgroupSetting[] {
  const throttle = (file: string, devices: readonly Throttle[]) =>
    devices.map(({ major, minor, rate }) => ({ file, value: `${major}:${minor} ${rate}` }));
  // of the scheduler BFQ; blkio.weight was CFQ's, until Linux 5.0
  const bfq = setting("blkio.bfq.weight", weight).map((each): CgroupSetting => ({
    ...each,
    orElse: { file: "blkio.weight", value: each.value },
    mayLack: NO_WEIGHT,
  }));
  const devices = weightDevice.map(({ major, minor, weight }): CgroupSetting => {
    const value = `${major}:${minor} ${weight}`;
    const orElse = { file: "blkio.weight_device", value };
    return { file: "blkio.bfq.weight_device", value, orElse, mayLack: NO_DEVICE_WEIGHT };
  });
  return [
    ...bfq,
    ...devices,
    ...throttle("blkio.throttle.read_bps_device", throttleReadBpsDevice),
    ...throttle("blkio.throttle.write_bps_device", throttleWriteBpsDevice),
    ...throttle("blkio.throttle.read_iops_device", throttleReadIOPSDevice),
    ...throttle("blkio.throttle.write_iops_device", throttleWriteIOPSDevice),
  ];
}
