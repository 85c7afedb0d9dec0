/** What files of cgroups have in common on both versions. */
import type { CgroupSetting } from "../plan/step.ts";

/** What is not limited is left out. */
export function setting(file: string, value: number | string | undefined): CgroupSetting[] {
  return value === undefined ? [] : [{ file, value: String(value) }];
}

/** For files in which the absence of a limit has a word. */
export const numberOrMax = (value: number): string => value < 0 ? "max" : String(value);

/** What a quota of CPUs is a part of, in microseconds: docker's, and the kernel's own. */
export const CPU_PERIOD = 100_000;

/** What docker says where the kernel has no weights. */
export const NO_WEIGHT =
  "Your kernel does not support Block I/O weight or the cgroup is not mounted. Weight discarded.";
export const NO_DEVICE_WEIGHT =
  "Your kernel does not support Block I/O weight_device or the cgroup is not mounted. Weight-device discarded.";
