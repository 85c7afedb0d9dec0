import { assertEquals } from "@std/assert";
import { type Limits, toResources } from "../../../src/limits/limits.ts";
import { settingsV1 } from "../../../src/limits/v1.ts";
import {
  changesV2,
  controllersOf,
  settingsV2,
  weightOfBlockWeight,
  weightOfShares,
} from "../../../src/limits/v2.ts";
import type { CgroupSetting } from "../../../src/plan/step.ts";

const MIB = 1 << 20;
const resources = (limits: Limits) => toResources(limits, () => ({ major: 8, minor: 16 }));

/** `file=value`, with the file that takes its place, and ? if it may be missing. */
const show = ({ file, value, orElse, mayLack }: CgroupSetting) =>
  `${file}=${value}${orElse === undefined ? "" : ` or ${orElse.file}=${orElse.value}`}${
    mayLack === undefined ? "" : "?"
  }`;

const TABLE: readonly { readonly limits: Limits; readonly v1: string[]; readonly v2: string[] }[] = [
  { limits: {}, v1: [], v2: [] },
  {
    limits: { memory: 64 * MIB, memorySwap: 128 * MIB },
    v1: ["memory.limit_in_bytes=67108864", "memory.memsw.limit_in_bytes=134217728"],
    v2: ["memory.swap.max=67108864", "memory.max=67108864"],
  },
  {
    limits: { memory: 64 * MIB, memorySwap: 64 * MIB },
    v1: ["memory.limit_in_bytes=67108864", "memory.memsw.limit_in_bytes=67108864"],
    v2: ["memory.swap.max=0?", "memory.max=67108864"],
  },
  {
    limits: { memory: 64 * MIB, memorySwap: -1 },
    v1: ["memory.memsw.limit_in_bytes=-1?", "memory.limit_in_bytes=67108864"],
    v2: ["memory.swap.max=max?", "memory.max=67108864"],
  },
  {
    limits: { memoryReservation: 32 * MIB, memorySwappiness: 0, oomKillDisable: true },
    v1: ["memory.soft_limit_in_bytes=33554432", "memory.swappiness=0", "memory.oom_control=1"],
    v2: ["memory.low=33554432"],
  },
  { limits: { kernelMemory: 50 * MIB, oomKillDisable: false }, v1: [], v2: [] },
  {
    limits: { nanoCpus: 1.5e9 },
    v1: ["cpu.cfs_period_us=100000", "cpu.cfs_quota_us=150000"],
    v2: ["cpu.max=150000 100000"],
  },
  { limits: { cpuQuota: 5000 }, v1: ["cpu.cfs_quota_us=5000"], v2: ["cpu.max=5000 100000"] },
  { limits: { cpuPeriod: 50_000 }, v1: ["cpu.cfs_period_us=50000"], v2: ["cpu.max=max 50000"] },
  {
    limits: { cpuShares: 512, cpusetCpus: "0-1", cpusetMems: "0" },
    v1: ["cpu.shares=512", "cpuset.cpus=0-1", "cpuset.mems=0"],
    v2: ["cpu.weight=20", "cpuset.cpus=0-1", "cpuset.mems=0"],
  },
  {
    limits: { cpuRealtimeRuntime: 950, cpuRealtimePeriod: 1000 },
    v1: ["cpu.rt_period_us=1000", "cpu.rt_runtime_us=950"],
    v2: [],
  },
  { limits: { pidsLimit: 20 }, v1: ["pids.max=20"], v2: ["pids.max=20"] },
  { limits: { pidsLimit: 0 }, v1: ["pids.max=max"], v2: ["pids.max=max"] },
  {
    limits: { blkioWeight: 500, blkioWeightDevice: [{ path: "/dev/x", amount: 10 }] },
    v1: [
      "blkio.bfq.weight=500 or blkio.weight=500?",
      "blkio.bfq.weight_device=8:16 10 or blkio.weight_device=8:16 10?",
    ],
    v2: ["io.bfq.weight=500 or io.weight=4950?", "io.bfq.weight=8:16 10 or io.weight=8:16 1?"],
  },
  {
    limits: {
      blkioDeviceReadBps: [{ path: "/dev/x", amount: 1 }, { path: "/dev/y", amount: 2 }],
      blkioDeviceWriteBps: [{ path: "/dev/x", amount: 3 }],
      blkioDeviceReadIOps: [{ path: "/dev/x", amount: 4 }],
      blkioDeviceWriteIOps: [{ path: "/dev/x", amount: 5 }],
    },
    v1: [
      "blkio.throttle.read_bps_device=8:16 1",
      "blkio.throttle.read_bps_device=8:16 2",
      "blkio.throttle.write_bps_device=8:16 3",
      "blkio.throttle.read_iops_device=8:16 4",
      "blkio.throttle.write_iops_device=8:16 5",
    ],
    v2: [
      "io.max=8:16 rbps=1",
      "io.max=8:16 rbps=2",
      "io.max=8:16 wbps=3",
      "io.max=8:16 riops=4",
      "io.max=8:16 wiops=5",
    ],
  },
];

for (const { limits, v1, v2 } of TABLE) {
  const what = JSON.stringify(limits);
  Deno.test(`${what} as files of cgroup v1`, () => {
    assertEquals(Object.values(settingsV1(resources(limits))).flat().map(show), v1);
  });
  Deno.test(`${what} as files of cgroup v2`, () => {
    assertEquals(settingsV2(resources(limits)).map(show), v2);
  });
}

Deno.test("memory and swap are written in the order in which the kernel takes them, growing and shrinking", () => {
  const order = (memoryLimit: number, memory: number, memorySwap: number) =>
    settingsV1(resources({ memory, memorySwap }), { memoryLimit }).memory!.map(({ file }) =>
      file.split(".")[1]
    );
  assertEquals(order(64 * MIB, 100 * MIB, 200 * MIB), ["memsw", "limit_in_bytes"]);
  assertEquals(order(100 * MIB, 32 * MIB, 64 * MIB), ["limit_in_bytes", "memsw"]);
  assertEquals(order(Infinity, 32 * MIB, 64 * MIB), ["limit_in_bytes", "memsw"]);
  assertEquals(order(100 * MIB, 200 * MIB, -1), ["memsw", "limit_in_bytes"]);
});

Deno.test("on cgroup v2 an update writes what follows from what it changes, and nothing else", () => {
  const has = { memory: 64 * MIB, memorySwap: 128 * MIB, nanoCpus: 5e8, pidsLimit: 20 };
  const written = (given: Limits) =>
    changesV2(resources(given), resources({ ...has, ...given })).map(({ file, value }) => `${file}=${value}`);
  const swap = (mebibytes: number) => `memory.swap.max=${mebibytes * MIB}`;
  assertEquals(written({ memorySwap: 96 * MIB }), [swap(32)]);
  assertEquals(written({ memory: 32 * MIB }), [swap(96), `memory.max=${32 * MIB}`]);
  assertEquals(written({ memorySwap: -1 }), ["memory.swap.max=max"]);
  assertEquals(written({ cpuPeriod: 50_000 }), ["cpu.max=50000 100000"]);
  assertEquals(written({ pidsLimit: 0 }), ["pids.max=max"]);
});

Deno.test("no rate is no limit, which cgroup v2 writes in letters", () => {
  const blkioDeviceReadBps = [{ path: "/dev/x", amount: 0 }];
  assertEquals(settingsV2(resources({ blkioDeviceReadBps })).map(show), ["io.max=8:16 rbps=max"]);
  assertEquals(settingsV1(resources({ blkioDeviceReadBps })).blkio!.map(show), [
    "blkio.throttle.read_bps_device=8:16 0",
  ]);
});

Deno.test("files of a controller are in the hierarchy of that controller", () => {
  const all = settingsV1(resources(Object.assign({}, ...TABLE.map(({ limits }) => limits))));
  for (const [controller, settings] of Object.entries(all)) {
    for (const { file } of settings) assertEquals(file.split(".")[0], controller);
  }
});

Deno.test("the controllers of cgroup v2 that limits need are those of their files", () => {
  const settings = settingsV2(
    resources({ memory: 1, cpuShares: 2, cpusetCpus: "0", pidsLimit: 3, blkioWeight: 10 }),
  );
  assertEquals(controllersOf(settings), ["memory", "cpu", "cpuset", "pids", "io"]);
});

Deno.test("the ends of shares and weights become the ends of weights, and what lies outside is cut", () => {
  assertEquals([0, 2, 1024, 262_144, 1e9].map(weightOfShares), [1, 1, 39, 10_000, 10_000]);
  assertEquals([10, 1000].map(weightOfBlockWeight), [1, 10_000]);
});
