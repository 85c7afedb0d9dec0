/**
 * What of the kernel a container does not see, or cannot change: docker's lists (moby, oci/defaults.go), of which only what the kernel
 * in question has is ever there.
 */
import type { ChildStep } from "../plan/step.ts";
import { readIfThere } from "../state/read.ts";

/** Hidden by an empty folder; the other paths by a file like /dev/null. */
const MASKED_FOLDERS = [
  "/proc/acpi",
  "/proc/asound",
  "/proc/scsi",
  "/sys/firmware",
  // how much power the CPU takes tells what it computes (GHSA-jq35-85cj-fj4p)
  "/sys/devices/virtual/powercap",
];

const MASKED_FILES = [
  // when keys are pressed (GHSA-6fw5-f8r9-fgfm)
  "/proc/interrupts",
  "/proc/kcore",
  "/proc/keys",
  "/proc/latency_stats",
  "/proc/timer_list",
  "/proc/timer_stats",
  "/proc/sched_debug",
];

/** What a container reads, and cannot write to. */
const READ_ONLY_PATHS = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

const CPUS = "/sys/devices/system/cpu";
const thermalFolder = (cpu: number) => `${CPUS}/cpu${cpu}/thermal_throttle`;

/** `0-3,8` as numbers (Documentation/admin-guide/cputopology.rst). */
function cpuList(text: string): number[] {
  return text.trim().split(",").flatMap((range) => {
    const [first = NaN, last = first] = range.split("-").map(Number);
    return Array.from({ length: Math.max(last - first + 1, 0) || 0 }, (_, index) => first + index);
  });
}

/** The counters of Intel's CPUs for being too hot, one folder for each (GHSA-6fw5-f8r9-fgfm). Others have none. */
function thermalFolders(): string[] {
  const cpus = cpuList(readIfThere(`${CPUS}/possible`) ?? "");
  const [first] = cpus;
  if (first === undefined || readIfThere(`${thermalFolder(first)}/core_throttle_count`) === undefined) {
    return [];
  }
  return cpus.map(thermalFolder);
}

/** Of the OCI runtime specification (config-linux.md): linux.maskedPaths and linux.readonlyPaths. */
export interface HiddenPaths {
  readonly maskedPaths: readonly string[];
  readonly readonlyPaths: readonly string[];
}

/** @param seesAll whether nothing is hidden */
export function hiddenPaths(seesAll: boolean): HiddenPaths {
  if (seesAll) return { maskedPaths: [], readonlyPaths: [] };
  return {
    maskedPaths: [...MASKED_FOLDERS, ...MASKED_FILES, ...thermalFolders()],
    readonlyPaths: READ_ONLY_PATHS,
  };
}

/**
 * The steps that hide them: once nothing has to be written below /proc any more, for the container's own settings are
 * there as well.
 * @param hasOwnNull whether the container has a null device of its own, and not the host's
 */
export function hidingSteps({ maskedPaths, readonlyPaths }: HiddenPaths, hasOwnNull: boolean): ChildStep[] {
  const device = hasOwnNull ? "own-null" : "hosts-null";
  return [
    ...maskedPaths.map((inRoot): ChildStep => ({
      op: "mask",
      why: `hide ${inRoot}`,
      inRoot,
      cover: MASKED_FILES.includes(inRoot) ? device : "folder",
    })),
    ...readonlyPaths.map((inRoot): ChildStep => ({
      op: "make-read-only",
      why: `keep it from changing ${inRoot}`,
      inRoot,
    })),
  ];
}
