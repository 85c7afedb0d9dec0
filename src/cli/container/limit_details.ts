/** What `inspect` shows of limits and devices: the like of docker's container.Resources. */
import type { RunOptions } from "../../container/options.ts";
import type { DeviceAmount } from "../../limits/limits.ts";
import { List, Nil, Struct, type Value } from "../template/value.ts";

const plain = (type: string, values: Readonly<Record<string, Value>>) =>
  new Struct(type, Object.entries(values).map(([name, value]) => ({ name, value })));

const texts = (values: readonly string[]) => new List(values, "[]string", values.length === 0);

function throttles(amounts: readonly DeviceAmount[] = []): List {
  const devices = amounts.map(({ path, amount }) =>
    plain("*blkiodev.ThrottleDevice", { Path: path, Rate: amount })
  );
  return new List(devices, "[]*blkiodev.ThrottleDevice", devices.length === 0);
}

/** The fields of docker's container.HostConfig that it has from container.Resources. */
export function describeLimits(
  { limits = {}, devices = [], deviceRules = [], cgroupParent = "" }: RunOptions,
): Record<string, Value> {
  const { memorySwappiness, pidsLimit, blkioWeightDevice = [] } = limits;
  return {
    CpuShares: limits.cpuShares ?? 0,
    Memory: limits.memory ?? 0,
    NanoCpus: limits.nanoCpus ?? 0,
    CgroupParent: cgroupParent,
    BlkioWeight: limits.blkioWeight ?? 0,
    BlkioWeightDevice: new List(
      blkioWeightDevice.map(({ path, amount }) =>
        plain("*blkiodev.WeightDevice", { Path: path, Weight: amount })
      ),
      "[]*blkiodev.WeightDevice",
    ),
    BlkioDeviceReadBps: throttles(limits.blkioDeviceReadBps),
    BlkioDeviceWriteBps: throttles(limits.blkioDeviceWriteBps),
    BlkioDeviceReadIOps: throttles(limits.blkioDeviceReadIOps),
    BlkioDeviceWriteIOps: throttles(limits.blkioDeviceWriteIOps),
    CpuPeriod: limits.cpuPeriod ?? 0,
    CpuQuota: limits.cpuQuota ?? 0,
    CpuRealtimePeriod: limits.cpuRealtimePeriod ?? 0,
    CpuRealtimeRuntime: limits.cpuRealtimeRuntime ?? 0,
    CpusetCpus: limits.cpusetCpus ?? "",
    CpusetMems: limits.cpusetMems ?? "",
    Devices: new List(
      devices.map(({ hostPath, path, access }) =>
        plain("container.DeviceMapping", {
          PathOnHost: hostPath,
          PathInContainer: path,
          CgroupPermissions: access,
        })
      ),
      "[]container.DeviceMapping",
    ),
    DeviceCgroupRules: texts(deviceRules),
    DeviceRequests: new List([], "[]container.DeviceRequest", true),
    KernelMemory: limits.kernelMemory ?? 0,
    KernelMemoryTCP: 0,
    MemoryReservation: limits.memoryReservation ?? 0,
    MemorySwap: limits.memorySwap ?? 0,
    MemorySwappiness: memorySwappiness === undefined ? new Nil("*int64") : memorySwappiness,
    OomKillDisable: limits.oomKillDisable ?? false,
    PidsLimit: pidsLimit === undefined ? new Nil("*int64") : pidsLimit,
  };
}
