/** Limits as files of cgroup v2 (Documentation/admin-guide/cgroup-v2.rst), translated as runc does it. */
import type { Resources, Throttle } from "../plan/oci.ts";
import type { CgroupSetting } from "../plan/step.ts";
import { CPU_PERIOD, NO_DEVICE_WEIGHT, NO_WEIGHT, numberOrMax, setting } from "./settings.ts";

/** Files to write in a container's cgroup, in this order. */
export function settingsV2(
  { memory = {}, cpu = {}, pids, blockIO = {} }: Omit<Resources, "devices">,
): CgroupSetting[] {
  return [
    ...memorySettings(memory),
    ...cpuSettings(cpu),
    ...setting("cpuset.cpus", cpu.cpus),
    ...setting("cpuset.mems", cpu.mems),
    ...setting("pids.max", pids && numberOrMax(pids.limit)),
    ...blockSettings(blockIO),
  ];
}

/**
 * Files to write in the cgroup of a container that runs: those whose value follows from what is changed.
 * @param given what is changed
 * @param merged all that holds from then on
 */
export function changesV2(
  given: Omit<Resources, "devices">,
  merged: Omit<Resources, "devices">,
): CgroupSetting[] {
  const changed = new Set(settingsV2(given).map(({ file }) => file));
  // what may be used of swap is what is left of both together
  if (given.memory?.limit !== undefined || given.memory?.swap !== undefined) changed.add("memory.swap.max");
  return settingsV2(merged).filter(({ file }) => changed.has(file));
}

/** The controllers whose files are written. */
export function controllersOf(settings: readonly CgroupSetting[]): string[] {
  return [...new Set(settings.map(({ file }) => file.slice(0, file.indexOf("."))))];
}

/** Swap is counted apart here: what may be used of it is what both may use together, without the memory. */
function memorySettings(
  { limit, swap, reservation }: NonNullable<Resources["memory"]>,
): CgroupSetting[] {
  const ofSwap = swap === -1 || (swap === undefined && limit === -1)
    ? "max"
    : swap === undefined || limit === undefined
    ? undefined
    : String(swap - limit);
  // a kernel that counts no swap lacks the file: then none is limited, and none is used where there is none
  const mayLack = ofSwap === "max" || ofSwap === "0";
  return [
    ...setting("memory.swap.max", ofSwap).map((each) => mayLack ? { ...each, mayLack } : each),
    ...setting("memory.max", limit === undefined ? undefined : numberOrMax(limit)),
    ...setting("memory.low", reservation === undefined ? undefined : numberOrMax(reservation)),
  ];
}

function cpuSettings({ shares, quota, period }: NonNullable<Resources["cpu"]>): CgroupSetting[] {
  const isBounded = quota !== undefined || period !== undefined;
  const most = quota === undefined || quota <= 0 ? "max" : String(quota);
  return [
    ...setting("cpu.weight", shares === undefined ? undefined : weightOfShares(shares)),
    ...setting("cpu.max", isBounded ? `${most} ${period ?? CPU_PERIOD}` : undefined),
  ];
}

/** From 2 to 262144 shares to a weight from 1 to 10000; runc's line. What lies outside the kernel of cgroup v1 would have cut. */
export function weightOfShares(shares: number): number {
  const cut = Math.min(Math.max(shares, 2), 262_144);
  return 1 + Math.floor((cut - 2) * 9999 / 262_142);
}

/** From 10 to 1000 to a weight from 1 to 10000. */
export function weightOfBlockWeight(weight: number): number {
  return 1 + Math.floor((weight - 10) * 9999 / 990);
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
  const throttle = (key: string, devices: readonly Throttle[]) =>
    devices.map(({ major, minor, rate }) => ({
      file: "io.max",
      // 0, which cgroup v1 takes for no limit, is none here
      value: `${major}:${minor} ${key}=${rate === 0 ? "max" : rate}`,
    }));
  // of the scheduler BFQ, which takes the numbers as they are
  const bfq = setting("io.bfq.weight", weight).map((each): CgroupSetting => ({
    ...each,
    orElse: { file: "io.weight", value: String(weightOfBlockWeight(weight!)) },
    mayLack: NO_WEIGHT,
  }));
  const devices = weightDevice.map(({ major, minor, weight }): CgroupSetting => {
    const device = `${major}:${minor}`;
    const orElse = { file: "io.weight", value: `${device} ${weightOfBlockWeight(weight)}` };
    return { file: "io.bfq.weight", value: `${device} ${weight}`, orElse, mayLack: NO_DEVICE_WEIGHT };
  });
  return [
    ...bfq,
    ...devices,
    ...throttle("rbps", throttleReadBpsDevice),
    ...throttle("wbps", throttleWriteBpsDevice),
    ...throttle("riops", throttleReadIOPSDevice),
    ...throttle("wiops", throttleWriteIOPSDevice),
  ];
}
