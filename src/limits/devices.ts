/** Which devices a container may use: docker's words for it, and its defaults. */
import { deviceAccess } from "../plan/device_access.ts";
import type { DeviceRule } from "../plan/oci.ts";
import type { CgroupSetting } from "../plan/step.ts";

const may = (type: "b" | "c", major: number | undefined, minor: number | undefined, access: string) => ({
  allow: true,
  type,
  ...(major === undefined ? {} : { major }),
  ...(minor === undefined ? {} : { minor }),
  access,
});

export const ALL_DEVICES: readonly DeviceRule[] = [{ allow: true, type: "a", access: "rwm" }];

/** Those that every container has, numbers as in the kernel's devices.txt; others can be made, but not opened. docker's list. */
export const USUAL_DEVICES: readonly DeviceRule[] = [
  { allow: false, type: "a", access: "rwm" },
  may("c", undefined, undefined, "m"),
  may("b", undefined, undefined, "m"),
  may("c", 1, 3, "rwm"), // null
  may("c", 1, 5, "rwm"), // zero
  may("c", 1, 7, "rwm"), // full
  may("c", 1, 8, "rwm"), // random
  may("c", 1, 9, "rwm"), // urandom
  may("c", 5, 0, "rwm"), // tty
  may("c", 5, 1, "rwm"), // console
  may("c", 5, 2, "rwm"), // ptmx
  may("c", 10, 200, "rwm"), // net/tun
  may("c", 136, undefined, "rwm"), // terminals
];

/** @param text as --device-cgroup-rule takes it: `c 1:3 rwm`, with * for any number */
export function parseDeviceRule(text: string): DeviceRule | undefined {
  const [, type, major, minor, access] = /^([acb]) ([0-9]+|\*):([0-9]+|\*) ([rwm]{1,3})$/.exec(text) ?? [];
  if (type === undefined) return undefined;
  const numbers = Object.entries({ major, minor }).filter(([, number]) => number !== "*");
  return {
    allow: true,
    type: type as DeviceRule["type"],
    ...Object.fromEntries(numbers.map(([name, number]) => [name, Number(number)])),
    access: access!,
  };
}

/**
 * What may be done with devices, as files of a new cgroup of cgroup v1 (devices.rst): each line of `devices.allow` adds to what is allowed,
 * each of `devices.deny` takes from it. It has what the one above it has at first.
 */
export function deviceSettingsV1(rules: readonly DeviceRule[]): CgroupSetting[] {
  const { allowsAll, exceptions } = deviceAccess(rules);
  const lines = exceptions.map(({ type, major = "*", minor = "*", access }) => ({
    file: allowsAll ? "devices.deny" : "devices.allow",
    value: `${type} ${major}:${minor} ${access}`,
  }));
  return allowsAll ? lines : [{ file: "devices.deny", value: "a" }, ...lines];
}

/** Whether rules forbid nothing. */
export function allowAll(rules: readonly DeviceRule[]): boolean {
  const { allowsAll, exceptions } = deviceAccess(rules);
  return allowsAll && exceptions.length === 0;
}
