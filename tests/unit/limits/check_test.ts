import { assertEquals, assertThrows } from "@std/assert";
import { UsageError } from "../../../src/errors.ts";
import { checkLimits } from "../../../src/limits/check.ts";
import type { Limits } from "../../../src/limits/limits.ts";
import { type HostSupport, hostSupport, parseNumbers } from "../../../src/limits/support.ts";

const MIB = 1 << 20;

const ALL: HostSupport = {
  memory: true,
  swap: true,
  memoryReservation: true,
  memorySwappiness: true,
  oomKillDisable: true,
  pids: true,
  cpuShares: true,
  cpuQuota: true,
  cpuRealtime: true,
  cpuset: true,
  blockWeight: true,
  blockWeightDevice: true,
  blockReadBps: true,
  blockWriteBps: true,
  blockReadIOps: true,
  blockWriteIOps: true,
  cpus: 2,
  cpusetCpus: "0-1",
  cpusetMems: "0",
};
const NOTHING: HostSupport = {
  ...Object.fromEntries(Object.keys(ALL).map((key) => [key, false])) as unknown as HostSupport,
  cpus: 2,
  cpusetCpus: "",
  cpusetMems: "",
};

const REFUSED: readonly (readonly [Limits, string])[] = [
  [{ memory: 6 * MIB - 1 }, "Minimum memory limit allowed is 6MB"],
  [{ memory: 64 * MIB, memorySwap: 32 * MIB }, "Minimum memoryswap limit should be larger than memory limit"],
  [{ memorySwap: 32 * MIB }, "You should always set the Memory limit when using Memoryswap limit, see usage"],
  [{ memoryReservation: MIB }, "Minimum memory reservation allowed is 6MB"],
  [
    { memory: 32 * MIB, memoryReservation: 64 * MIB },
    "Minimum memory limit can not be less than memory reservation limit, see usage",
  ],
  [{ kernelMemory: MIB }, "Minimum kernel memory limit allowed is 6MB"],
  [{ nanoCpus: 1e9, cpuPeriod: 5000 }, "Conflicting options: Nano CPUs and CPU Period cannot both be set"],
  [{ nanoCpus: 1e9, cpuQuota: 5000 }, "Conflicting options: Nano CPUs and CPU Quota cannot both be set"],
  [{ nanoCpus: 3e9 }, "Range of CPUs is from 0.01 to 2.00, as there are only 2 CPUs available"],
  [{ nanoCpus: -1 }, "Range of CPUs is from 0.01 to 2.00"],
  [{ nanoCpus: 1e7 - 1 }, "Range of CPUs is from 0.01 to 2.00"],
  [
    { cpuPeriod: 999 },
    "CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)",
  ],
  [{ cpuPeriod: 1_000_001 }, "CPU cfs period can not be less than 1ms"],
  [{ cpuQuota: 999 }, "CPU cfs quota can not be less than 1ms (i.e. 1000)"],
  [{ cpuShares: 1 }, "the minimum allowed cpu-shares is 2"],
  [{ cpuShares: 262_145 }, "the maximum allowed cpu-shares is 262144"],
  [
    { cpuRealtimeRuntime: 1000, cpuRealtimePeriod: 500 },
    "cpu real-time runtime cannot be higher than cpu real-time period",
  ],
  [{ cpusetCpus: "2" }, "Requested CPUs are not available - requested 2, available: 0-1"],
  [{ cpusetCpus: "1-0" }, "Invalid value 1-0 for cpuset cpus: invalid format: 1-0"],
  [{ cpusetMems: "1" }, "Requested memory nodes are not available - requested 1, available: 0"],
  [{ cpusetMems: "x" }, "Invalid value x for cpuset mems: invalid format: x"],
  [{ blkioWeight: 9 }, "Range of blkio weight is from 10 to 1000"],
  [{ blkioWeight: 1001 }, "Range of blkio weight is from 10 to 1000"],
];

for (const [limits, why] of REFUSED) {
  Deno.test(`${JSON.stringify(limits)} is refused: ${why}`, () => {
    assertThrows(() => checkLimits(limits, ALL, "cannot run"), UsageError, why);
  });
}

const device = [{ path: "/dev/x", amount: 10 }];

/** Limits, what is said of them where the kernel knows none, and what is left. */
const DROPPED: readonly (readonly [Limits, string, Limits?])[] = [
  [
    { memory: 64 * MIB, memorySwap: 128 * MIB },
    "memory limit capabilities or the cgroup is not mounted. Limitation discarded.",
  ],
  [
    { memoryReservation: MIB },
    "memory soft limit capabilities or the cgroup is not mounted. Limitation discarded.",
  ],
  [
    { memorySwappiness: 5 },
    "memory swappiness capabilities or the cgroup is not mounted. Memory swappiness discarded.",
  ],
  [{ oomKillDisable: true }, "OomKillDisable. OomKillDisable discarded."],
  [{ pidsLimit: 5 }, "PIDs limit capabilities or the cgroup is not mounted. PIDs limit discarded."],
  [{ cpuShares: 5 }, "CPU shares or the cgroup is not mounted. Shares discarded."],
  [{ cpuQuota: 5, cpuPeriod: 5 }, "CPU CFS scheduler. CPU period/quota discarded."],
  [{ cpusetCpus: "9" }, "cpuset or the cgroup is not mounted. Cpuset discarded."],
  [{ blkioWeight: 5 }, "Block I/O weight or the cgroup is not mounted. Weight discarded."],
  [
    { blkioWeightDevice: device },
    "Block I/O weight_device or the cgroup is not mounted. Weight-device discarded.",
  ],
  [
    { blkioDeviceReadBps: device },
    "BPS Block I/O read limit or the cgroup is not mounted. Block I/O BPS read limit discarded.",
  ],
  [
    { blkioDeviceWriteBps: device },
    "BPS Block I/O write limit or the cgroup is not mounted. Block I/O BPS write limit discarded.",
  ],
  [
    { blkioDeviceReadIOps: device },
    "IOPS Block read limit or the cgroup is not mounted. Block I/O IOPS read limit discarded.",
  ],
  [
    { blkioDeviceWriteIOps: device },
    "IOPS Block write limit or the cgroup is not mounted. Block I/O IOPS write limit discarded.",
  ],
];

for (const [limits, warning] of DROPPED) {
  Deno.test(`a kernel without it drops ${JSON.stringify(limits)}, and says so`, () => {
    assertEquals(checkLimits(limits, NOTHING, "cannot run"), {
      limits: {},
      warnings: [`Your kernel does not support ${warning}`],
    });
  });
}

Deno.test("CPUs and real-time scheduling are refused where the kernel has them not", () => {
  assertThrows(() => checkLimits({ nanoCpus: 1e9 }, NOTHING, "x"), UsageError, "NanoCPUs can not be set");
  for (const [name, word] of [["cpuRealtimePeriod", "period"], ["cpuRealtimeRuntime", "runtime"]] as const) {
    const why = `Your kernel does not support CPU real-time ${word}`;
    assertThrows(() => checkLimits({ [name]: 5 }, NOTHING, "x"), UsageError, why);
  }
});

Deno.test("a quota that is none goes with CPUs", () => {
  const limits = { nanoCpus: 1e7, cpuQuota: -1 };
  assertEquals(checkLimits(limits, ALL, "x"), { limits, warnings: [] });
});

Deno.test("no limit of processes is as good as not given, unless a container may have one", () => {
  assertEquals(checkLimits({ pidsLimit: 0 }, ALL, "x"), { limits: {}, warnings: [] });
  assertEquals(checkLimits({ pidsLimit: 0 }, NOTHING, "x", true), { limits: {}, warnings: [] });
  assertEquals(checkLimits({ pidsLimit: 0 }, ALL, "x", true), { limits: { pidsLimit: 0 }, warnings: [] });
});

Deno.test("a kernel that counts no swap limits memory alone", () => {
  assertEquals(checkLimits({ memory: 64 * MIB }, { ...ALL, swap: false }, "x"), {
    limits: { memory: 64 * MIB, memorySwap: -1 },
    warnings: [
      "Your kernel does not support swap limit capabilities or the cgroup is not mounted. Memory limited without swap.",
    ],
  });
});

Deno.test("with memory alone there is as much swap; a change of it leaves swap as it is", () => {
  const memory = 64 * MIB;
  assertEquals(checkLimits({ memory }, ALL, "x").limits, { memory, memorySwap: 2 * memory });
  assertEquals(checkLimits({ memory }, ALL, "x", true).limits, { memory });
  assertEquals(checkLimits({ memorySwap: memory }, ALL, "x", true).limits, { memorySwap: memory });
});

Deno.test("lists of numbers are read as the kernel writes them", () => {
  assertEquals(parseNumbers("0-2,4"), new Set([0, 1, 2, 4]));
  assertEquals(parseNumbers(""), new Set());
  for (const wrong of ["a", "1-", "-1", "2-1", "0,,1", "0-9000", "1 2"]) {
    assertEquals(parseNumbers(wrong), undefined);
  }
});

/** A host of nothing but some files. */
const host = (files: Readonly<Record<string, string>>) => ({
  read: (path: string) => files[path],
  exists: (path: string) => path in files,
});

Deno.test("what cgroup v1 knows is told by its files", () => {
  const files = {
    "/proc/self/mountinfo": "30 27 0:26 / /cg/memory rw - cgroup cgroup rw,memory\n" +
      "31 27 0:27 / /cg/cpuset rw - cgroup cgroup rw,cpuset\n32 27 0:28 / /cg/cpu rw - cgroup cgroup rw,cpu,cpuacct\n",
    "/proc/self/status": "Name:\tx\nCpus_allowed_list:\t0-1,4\n",
    "/cg/memory/memory.soft_limit_in_bytes": "",
    "/cg/cpu/cpu.shares": "",
    "/cg/cpuset/cpuset.cpus": "0-7\n",
    "/cg/cpuset/cpuset.mems": "0\n",
  };
  const { memory, swap, memoryReservation, pids, cpuShares, cpuQuota, cpuset, cpus, cpusetCpus } =
    hostSupport(host(files));
  assertEquals(
    [memory, swap, memoryReservation, pids, cpuShares, cpuQuota, cpuset, cpus, cpusetCpus],
    [true, false, true, false, true, false, true, 3, "0-7"],
  );
});

Deno.test("what cgroup v2 knows is told by the controllers at its top", () => {
  const files = {
    "/proc/self/mountinfo": "28 22 0:24 / /cg rw - cgroup2 cgroup2 rw\n",
    "/cg/cgroup.controllers": "cpu memory\n",
  };
  const { memory, pids, cpuQuota, cpuRealtime, memorySwappiness, blockWeight, cpus } = hostSupport(
    host(files),
  );
  assertEquals(
    [memory, pids, cpuQuota, cpuRealtime, memorySwappiness, blockWeight, cpus],
    [true, false, true, false, false, false, 1],
  );
});
