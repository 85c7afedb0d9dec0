/** Devices of the host that a container is given besides those that all have. */
import { describeErrno, errnoOf } from "../../ffi/errno.ts";
import { HostError } from "../errors.ts";
import { ALL_DEVICES, parseDeviceRule, USUAL_DEVICES } from "../limits/devices.ts";
import type { Device, DeviceRule, Mount } from "../plan/oci.ts";
import type { DeviceOptions, DeviceRequest } from "./options.ts";

export interface OwnDevices {
  /** What is made in the container. */
  readonly devices: readonly Device[];
  /** What is mounted there instead: nobody can make devices in a user namespace (mknod(2)). */
  readonly mounts: readonly Mount[];
  /** What it may do with these, and with others. */
  readonly rules: readonly DeviceRule[];
}

/** A device, and where it lies on the host. */
interface Found {
  readonly source: string;
  readonly device: Device;
  readonly access: string;
}

/**
 * Looks up the devices that a container is to be given; of two for one path the later one counts. With --privileged they are
 * those of the host, but not in a user namespace, where docker, too, leaves them out.
 * @throws {HostError} in docker's words, when one is not there, or is none
 */
export function findDevices(
  { devices = [], deviceRules = [], security, userNamespace }: DeviceOptions,
): OwnDevices {
  const isPrivileged = security?.privileged === true;
  const hosts = isPrivileged && !userNamespace ? devicesBelow("/dev", NOT_COPIED) : [];
  const found = [
    ...hosts.map((device) => ({ source: device.path, device, access: "rwm" })),
    ...devices.flatMap(devicesAt),
  ];
  const each = [...new Map(found.map((one) => [one.device.path, one])).values()];
  const rules = isPrivileged ? ALL_DEVICES : [
    ...USUAL_DEVICES,
    ...found.map(({ device: { type, major, minor }, access }) => ({
      allow: true,
      type,
      major,
      minor,
      access,
    })),
    ...deviceRules.flatMap((text) => parseDeviceRule(text) ?? []),
  ];
  if (!userNamespace) return { devices: each.map(({ device }) => device), mounts: [], rules };
  const mounts = each.map(({ source, device }) => ({
    destination: device.path,
    type: "bind",
    source,
    options: ["bind"],
  }));
  return { devices: [], mounts, rules };
}

/** What a path of the host is, links followed; a folder stands for all devices in it, and below. */
function devicesAt({ hostPath, path, access }: DeviceRequest): Found[] {
  const refuse = (why: string) =>
    new HostError({
      what: `error gathering device information while adding custom device ${JSON.stringify(hostPath)}`,
      why,
    });
  const seen = lookAt(hostPath);
  if ("why" in seen) throw refuse(seen.why);
  const device = toDevice(path, seen);
  if (device !== undefined) return [{ source: hostPath, device, access }];
  const below = seen.isDirectory ? devicesBelow(hostPath, NOT_DEVICES) : [];
  if (below.length === 0) throw refuse("not a device node");
  return below.map((device) => ({
    source: device.path,
    device: { ...device, path: path + device.path.slice(hostPath.length) },
    access,
  }));
}

/** Folders of /dev without devices that could be copied, in docker's words. */
const NOT_DEVICES = ["pts", "shm", "fd", "mqueue", ".lxc", ".lxd-mounts", ".udev"];
/** A container has its own of these. */
const NOT_COPIED = [...NOT_DEVICES, "console", "ptmx"];

/** All devices in a folder, and below; links are not followed. @param leftOut names */
function devicesBelow(folder: string, leftOut: readonly string[]): Device[] {
  const names = [...Deno.readDirSync(folder)].sort((one, other) => one.name < other.name ? -1 : 1);
  return names.flatMap(({ name, isDirectory, isSymlink }) => {
    if (isSymlink || leftOut.includes(name)) return [];
    const path = `${folder}/${name}`;
    if (isDirectory) return devicesBelow(path, leftOut);
    return deviceOf(path) ?? [];
  });
}

/** What lies on the host, links followed; or why it cannot be seen. */
function lookAt(path: string): Deno.FileInfo | { readonly why: string } {
  try {
    return Deno.statSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return { why: "no such file or directory" };
    const errno = errnoOf(error);
    return { why: errno === undefined ? String(error) : describeErrno(errno) };
  }
}

/** A device of the host, links followed. @returns undefined when there is nothing, or something else */
export function deviceOf(path: string): Device | undefined {
  const seen = lookAt(path);
  return "why" in seen ? undefined : toDevice(path, seen);
}

/** @param path that it is to have */
function toDevice(
  path: string,
  { isBlockDevice, isCharDevice, rdev, mode, uid, gid }: Deno.FileInfo,
): Device | undefined {
  if ((!isBlockDevice && !isCharDevice) || rdev === null) return undefined;
  const { major, minor } = numbersOf(BigInt(rdev));
  return {
    path,
    type: isBlockDevice ? "b" : "c",
    major,
    minor,
    fileMode: (mode ?? 0) & 0o7777,
    uid: uid ?? 0,
    gid: gid ?? 0,
  };
}

/** As glibc puts the two together (makedev(3)). */
function numbersOf(device: bigint): { major: number; minor: number } {
  return {
    major: Number(((device >> 8n) & 0xfffn) | ((device >> 32n) & ~0xfffn)),
    minor: Number((device & 0xffn) | ((device >> 12n) & ~0xffn)),
  };
}
