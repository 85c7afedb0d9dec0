/**
 * What a list of device rules comes to, by the rules of cgroup v1 (Documentation/admin-guide/cgroup-v1/devices.rst), which runc keeps to on
 * v2 as well: all or nothing, with exceptions.
 */
import type { DeviceRule } from "./oci.ts";

export interface DeviceAccess {
  /** What holds for a device that is no exception. */
  readonly allowsAll: boolean;
  /** `access` is what is allowed of those alone, or, if all is allowed, what is not. */
  readonly exceptions: readonly DeviceException[];
}

export type DeviceException = Omit<DeviceRule, "allow" | "type"> & { readonly type: "b" | "c" };

/** @param rules begin with one for all; a cgroup that is new has what the one above it has */
export function deviceAccess(rules: readonly DeviceRule[]): DeviceAccess {
  let allowsAll = false;
  let exceptions: DeviceException[] = [];
  for (const { allow, type, access, ...numbers } of rules) {
    if (type === "a") {
      allowsAll = allow;
      exceptions = [];
      continue;
    }
    const isSame = (other: DeviceException) =>
      other.type === type && other.major === numbers.major && other.minor === numbers.minor;
    const before = exceptions.find(isSame)?.access ?? "";
    const isException = allow !== allowsAll;
    const now = [..."rwm"].filter((letter) =>
      isException
        ? before.includes(letter) || access.includes(letter)
        : before.includes(letter) && !access.includes(letter)
    ).join("");
    const changed: DeviceException = { type, ...numbers, access: now };
    if (before !== "") exceptions = exceptions.map((each) => isSame(each) ? changed : each);
    else exceptions.push(changed);
    exceptions = exceptions.filter(({ access }) => access !== "");
  }
  return { allowsAll, exceptions };
}
