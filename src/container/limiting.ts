/** Limits and devices of containers that have some of their own: loaded only for those. */
import { DhowError, HostError } from "../errors.ts";
import { log } from "../log.ts";
import { checkLimits } from "../limits/check.ts";
import type { CgroupWishes } from "../limits/cgroup.ts";
import { cgroupMountsV1 } from "../limits/cgroup_mounts.ts";
import { type Limits, toResources } from "../limits/limits.ts";
import { hostSupport } from "../limits/support.ts";
import { settingsV1 } from "../limits/v1.ts";
import { controllersOf, settingsV2 } from "../limits/v2.ts";
import type { DeviceNumber, Resources } from "../plan/oci.ts";
import { deviceOf, findDevices } from "./devices.ts";
import type { RunOptions } from "./options.ts";

export { cgroupMountsV1, findDevices };

/**
 * Takes away the limits that this host does not know, and says so.
 * @throws {UsageError} for those that docker's daemon would refuse
 */
export function withPossibleLimits(options: RunOptions): RunOptions {
  if (options.limits === undefined) return options;
  const { limits, warnings } = checkLimits(
    options.limits,
    hostSupport(undefined, options.cgroupBase),
    "cannot run a container",
  );
  for (const warning of warnings) log.warn(warning);
  return { ...options, limits };
}

/** @throws {DhowError} when a device is not there */
export function resourcesOf(limits: Limits): Omit<Resources, "devices"> {
  return toResources(limits, blockDevice);
}

/** Resources as files of cgroups. */
export function wishesOf(resources: Omit<Resources, "devices">): CgroupWishes {
  const unified = settingsV2(resources);
  return {
    settings: (version) => version === 1 ? settingsV1(resources) : { unified },
    controllers: controllersOf(unified),
  };
}

/** The number of a block device by its path, in docker's words if there is none. */
function blockDevice(path: string): DeviceNumber {
  const device = deviceOf(path);
  if (device === undefined) {
    throw new DhowError({ what: `cannot limit the use of "${path}"`, why: "no such file or directory" });
  }
  if (device.type !== "b") {
    throw new HostError({ what: `cannot limit the use of "${path}"`, why: "it is no block device" });
  }
  const { major, minor } = device;
  return { major, minor };
}
