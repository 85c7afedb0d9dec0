/** Whether limits make sense, and what is left of them on this host: docker's checks and words (daemon_unix.go, hostconfig_unix.go). */
import { UsageError } from "../errors.ts";
import type { Limits } from "./limits.ts";
import { type HostSupport, parseNumbers } from "./support.ts";

/** In bytes; docker's. */
const LEAST_MEMORY = 6 << 20;

/** In billionths: the kernel's least quota, a millisecond, of a period of 100. */
const LEAST_NANO_CPUS = 1e7;

export interface Checked {
  readonly limits: Limits;
  /** What is to be said of limits that this host does not know. */
  readonly warnings: readonly string[];
}

/**
 * @param what how errors name the work
 * @param changes whether they are to change those that a container has: then both of a pair need not be there
 * @throws {UsageError} for what docker's daemon would refuse
 */
export function checkLimits(given: Limits, host: HostSupport, what: string, changes = false): Checked {
  const checks = new Checks(given, host, what, changes);
  checks.memory();
  checks.cpu();
  checks.cpuset();
  checks.blockIO();
  return { limits: checks.limits, warnings: checks.warnings };
}

type Changeable = { -readonly [Key in keyof Limits]: Limits[Key] };

class Checks {
  readonly limits: Changeable;
  readonly warnings: string[] = [];

  constructor(
    given: Limits,
    readonly host: HostSupport,
    readonly what: string,
    readonly changes: boolean,
  ) {
    this.limits = { ...given };
  }

  #refuse(why: string): never {
    throw new UsageError({ what: this.what, why });
  }

  /** Drops limits that the host does not know. */
  #needs(isThere: boolean, warning: string, ...names: (keyof Limits)[]): void {
    if (isThere || names.every((name) => this.limits[name] === undefined)) return;
    this.warnings.push(`Your kernel does not support ${warning}`);
    for (const name of names) delete this.limits[name];
  }

  memory(): void {
    const { limits, host } = this;
    const discarded = "or the cgroup is not mounted. Limitation discarded.";
    if (limits.memory !== undefined && limits.memory < LEAST_MEMORY) {
      this.#refuse("Minimum memory limit allowed is 6MB");
    }
    if (limits.memory !== undefined && !host.memory) {
      this.#needs(false, `memory limit capabilities ${discarded}`, "memory");
      delete limits.memorySwap;
    }
    if (limits.memory !== undefined && limits.memorySwap !== -1 && !host.swap) {
      this.warnings.push(
        "Your kernel does not support swap limit capabilities or the cgroup is not mounted. Memory limited without swap.",
      );
      limits.memorySwap = -1;
    }
    const { memory, memorySwap = 0 } = limits;
    if (memory !== undefined && memorySwap > 0 && memorySwap < memory) {
      this.#refuse("Minimum memoryswap limit should be larger than memory limit, see usage");
    }
    if (memory === undefined && memorySwap > 0 && !this.changes) {
      this.#refuse("You should always set the Memory limit when using Memoryswap limit, see usage");
    }
    this.#needs(
      host.memorySwappiness,
      "memory swappiness capabilities or the cgroup is not mounted. Memory swappiness discarded.",
      "memorySwappiness",
    );
    this.#needs(host.memoryReservation, `memory soft limit capabilities ${discarded}`, "memoryReservation");
    if (limits.memoryReservation !== undefined && limits.memoryReservation < LEAST_MEMORY) {
      this.#refuse("Minimum memory reservation allowed is 6MB");
    }
    if (memory !== undefined && memory < (limits.memoryReservation ?? 0)) {
      this.#refuse("Minimum memory limit can not be less than memory reservation limit, see usage");
    }
    if (limits.kernelMemory !== undefined) {
      this.warnings.push(
        "Specifying a kernel memory limit is deprecated and will be removed in a future release.",
      );
      if (limits.kernelMemory < LEAST_MEMORY) this.#refuse("Minimum kernel memory limit allowed is 6MB");
    }
    this.#outOfMemory();
    // nothing is what a container has anyway, if it has had no limit before
    if (limits.pidsLimit === 0 && !(this.changes && host.pids)) delete limits.pidsLimit;
    const ofProcesses = "PIDs limit capabilities or the cgroup is not mounted. PIDs limit discarded.";
    this.#needs(host.pids, ofProcesses, "pidsLimit");
    // docker's rule: as much swap as memory
    if (limits.memory !== undefined && limits.memorySwap === undefined && !this.changes) {
      limits.memorySwap = 2 * limits.memory;
    }
  }

  #outOfMemory(): void {
    const { limits, host } = this;
    if (limits.oomKillDisable !== true) return;
    this.#needs(host.oomKillDisable, "OomKillDisable. OomKillDisable discarded.", "oomKillDisable");
    if (limits.oomKillDisable === true && limits.memory === undefined) {
      this.warnings.push(
        "OOM killer is disabled for the container, but no memory limit is set, this can result in the system running out of resources.",
      );
    }
  }

  cpu(): void {
    const { limits, host } = this;
    const { nanoCpus, cpuPeriod, cpuQuota } = limits;
    if (nanoCpus !== undefined) {
      const both = (name: string) => `Conflicting options: Nano CPUs and CPU ${name} cannot both be set`;
      if (cpuPeriod !== undefined && cpuPeriod > 0) this.#refuse(both("Period"));
      if (cpuQuota !== undefined && cpuQuota > 0) this.#refuse(both("Quota"));
      if (!host.cpuQuota) {
        this.#refuse(
          "NanoCPUs can not be set, as your kernel does not support CPU CFS scheduler or the cgroup is not mounted",
        );
      }
      // of less the kernel says only that it is invalid, and of much less docker makes no limit at all
      if (nanoCpus < LEAST_NANO_CPUS || nanoCpus > host.cpus * 1e9) {
        this.#refuse(
          `Range of CPUs is from 0.01 to ${host.cpus}.00, as there are only ${host.cpus} CPUs available`,
        );
      }
    }
    this.#needs(
      host.cpuShares,
      "CPU shares or the cgroup is not mounted. Shares discarded.",
      "cpuShares",
    );
    const ofQuota = "CPU CFS scheduler. CPU period/quota discarded.";
    this.#needs(host.cpuQuota, ofQuota, "cpuPeriod", "cpuQuota");
    if (limits.cpuPeriod !== undefined && (limits.cpuPeriod < 1000 || limits.cpuPeriod > 1_000_000)) {
      this.#refuse(
        "CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)",
      );
    }
    if (limits.cpuQuota !== undefined && limits.cpuQuota > 0 && limits.cpuQuota < 1000) {
      this.#refuse("CPU cfs quota can not be less than 1ms (i.e. 1000)");
    }
    if (limits.cpuShares !== undefined && limits.cpuShares < 2) {
      this.#refuse("the minimum allowed cpu-shares is 2");
    }
    if (limits.cpuShares !== undefined && limits.cpuShares > 262_144) {
      this.#refuse("the maximum allowed cpu-shares is 262144");
    }
    this.#realtime();
  }

  #realtime(): void {
    const { cpuRealtimePeriod: period, cpuRealtimeRuntime: runtime } = this.limits;
    for (const [name, value] of [["period", period], ["runtime", runtime]] as const) {
      if (value === undefined || this.host.cpuRealtime) continue;
      this.#refuse(`Your kernel does not support CPU real-time ${name}`);
    }
    if (period !== undefined && runtime !== undefined && runtime > period) {
      this.#refuse("cpu real-time runtime cannot be higher than cpu real-time period");
    }
  }

  cpuset(): void {
    const { limits, host } = this;
    const discarded = "cpuset or the cgroup is not mounted. Cpuset discarded.";
    this.#needs(host.cpuset, discarded, "cpusetCpus", "cpusetMems");
    this.#available(limits.cpusetCpus, host.cpusetCpus, "CPUs", "cpus");
    this.#available(limits.cpusetMems, host.cpusetMems, "memory nodes", "mems");
  }

  #available(wanted: string | undefined, available: string, things: string, name: string): void {
    if (wanted === undefined) return;
    const numbers = parseNumbers(wanted);
    if (numbers === undefined) {
      this.#refuse(`Invalid value ${wanted} for cpuset ${name}: invalid format: ${wanted}`);
    }
    const there = parseNumbers(available) ?? new Set();
    if (![...numbers].every((number) => there.has(number))) {
      this.#refuse(
        `Requested ${things} are not available - requested ${wanted}, available: ${available}`,
      );
    }
  }

  blockIO(): void {
    const { limits, host } = this;
    const weight = "Block I/O weight or the cgroup is not mounted. Weight discarded.";
    this.#needs(host.blockWeight, weight, "blkioWeight");
    if (limits.blkioWeight !== undefined && (limits.blkioWeight < 10 || limits.blkioWeight > 1000)) {
      this.#refuse("Range of blkio weight is from 10 to 1000");
    }
    const device = "Block I/O weight_device or the cgroup is not mounted. Weight-device discarded.";
    this.#needs(host.blockWeightDevice, device, "blkioWeightDevice");
    const bps = (way: string) =>
      `BPS Block I/O ${way} limit or the cgroup is not mounted. Block I/O BPS ${way} limit discarded.`;
    const iops = (way: string) =>
      `IOPS Block ${way} limit or the cgroup is not mounted. Block I/O IOPS ${way} limit discarded.`;
    this.#needs(host.blockReadBps, bps("read"), "blkioDeviceReadBps");
    this.#needs(host.blockWriteBps, bps("write"), "blkioDeviceWriteBps");
    this.#needs(host.blockReadIOps, iops("read"), "blkioDeviceReadIOps");
    this.#needs(host.blockWriteIOps, iops("write"), "blkioDeviceWriteIOps");
  }
}
