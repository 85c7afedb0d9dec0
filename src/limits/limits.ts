/** What bounds a container, as a user words it, and as the OCI runtime specification does. */
import type { Resources, Throttle } from "../plan/oci.ts";
import type { DeviceNumber } from "../plan/oci.ts";
import { CPU_PERIOD } from "./settings.ts";

/** A number for one block device of the host. */
export interface DeviceAmount {
  readonly path: string;
  readonly amount: number;
}

/** docker's container.Resources. What is absent is not limited. */
export interface Limits {
  /** In bytes, as the next three. */
  readonly memory?: number;
  /** Of memory and swap together; -1 for as much swap as there is. */
  readonly memorySwap?: number;
  readonly memoryReservation?: number;
  readonly kernelMemory?: number;
  readonly memorySwappiness?: number;
  readonly oomKillDisable?: boolean;
  /** CPUs, in billionths. */
  readonly nanoCpus?: number;
  readonly cpuShares?: number;
  /** In microseconds, as the next three. */
  readonly cpuPeriod?: number;
  readonly cpuQuota?: number;
  readonly cpuRealtimePeriod?: number;
  readonly cpuRealtimeRuntime?: number;
  /** `0-2,4`, as the next. */
  readonly cpusetCpus?: string;
  readonly cpusetMems?: string;
  /** 0 for no limit, where there was one. */
  readonly pidsLimit?: number;
  readonly blkioWeight?: number;
  readonly blkioWeightDevice?: readonly DeviceAmount[];
  readonly blkioDeviceReadBps?: readonly DeviceAmount[];
  readonly blkioDeviceWriteBps?: readonly DeviceAmount[];
  readonly blkioDeviceReadIOps?: readonly DeviceAmount[];
  readonly blkioDeviceWriteIOps?: readonly DeviceAmount[];
}

/** The parts of `values` that are not undefined; undefined when none are. */
function said<T extends object>(values: { [Key in keyof T]: T[Key] | undefined }): T | undefined {
  const entries = Object.entries(values).filter(([, value]) => value !== undefined);
  return entries.length === 0 ? undefined : Object.fromEntries(entries) as T;
}

/**
 * What limits mean in the standard's words.
 * @param find tells the number of a block device of the host by its path
 * @throws what `find` throws
 */
export function toResources(
  limits: Limits,
  find: (path: string) => DeviceNumber,
): Omit<Resources, "devices"> {
  const throttles = (amounts: readonly DeviceAmount[] = []): Throttle[] | undefined =>
    amounts.length === 0
      ? undefined
      : amounts.map(({ path, amount }): Throttle => ({ ...find(path), rate: amount }));
  const { nanoCpus, pidsLimit, blkioWeightDevice = [] } = limits;
  const cpus = nanoCpus === undefined
    ? { quota: limits.cpuQuota, period: limits.cpuPeriod }
    : { quota: Math.floor(nanoCpus * CPU_PERIOD / 1e9), period: CPU_PERIOD };
  return said<Omit<Resources, "devices">>({
    memory: said<NonNullable<Resources["memory"]>>({
      limit: limits.memory,
      reservation: limits.memoryReservation,
      swap: limits.memorySwap,
      swappiness: limits.memorySwappiness,
      disableOOMKiller: limits.oomKillDisable || undefined,
    }),
    cpu: said<NonNullable<Resources["cpu"]>>({
      shares: limits.cpuShares,
      ...cpus,
      realtimeRuntime: limits.cpuRealtimeRuntime,
      realtimePeriod: limits.cpuRealtimePeriod,
      cpus: limits.cpusetCpus,
      mems: limits.cpusetMems,
    }),
    pids: pidsLimit === undefined ? undefined : { limit: pidsLimit === 0 ? -1 : pidsLimit },
    blockIO: said<NonNullable<Resources["blockIO"]>>({
      weight: limits.blkioWeight,
      weightDevice: blkioWeightDevice.length === 0
        ? undefined
        : blkioWeightDevice.map(({ path, amount }) => ({ ...find(path), weight: amount })),
      throttleReadBpsDevice: throttles(limits.blkioDeviceReadBps),
      throttleWriteBpsDevice: throttles(limits.blkioDeviceWriteBps),
      throttleReadIOPSDevice: throttles(limits.blkioDeviceReadIOps),
      throttleWriteIOPSDevice: throttles(limits.blkioDeviceWriteIOps),
    }),
  }) ?? {};
}
