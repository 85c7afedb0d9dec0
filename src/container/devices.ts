/** Devices of the host that a container is given besides those that all have. */
import { HostError } from "../errors.ts";
import { ALL_DEVICES, parseDeviceRule, USUAL_DEVICES } from "../limits/devices.ts";
import type { Device, DeviceRule } from "../plan/oci.ts";
import type { DeviceOptions, DeviceRequest } from "./options.ts";

export interface OwnDevices {
  /** What is made in the container. */
  readonly devices: readonly Device[];
  /** What it may do with these, and with others. */
  readonly rules: readonly DeviceRule[];
}

/**
 * Looks up the devices that a container is to be given.
 * @throws {HostError} in docker's words, when one is not there, or is none
 */
export function findDevices(
  { devices = [], deviceRules = [], security }: DeviceOptions,
): OwnDevices {
  if (security?.privileged === true) return { devices: devicesBelow("/dev"), rules: ALL_DEVICES };
  const found = devices.flatMap((request) =>
    devicesAt(request).map((device) => ({ device, access: request.access }))
  );
  return {
    devices: found.map(({ device }) => device),
    rules: [
      ...USUAL_DEVICES,
      ...found.map(({ device: { type, major, minor }, access }) => ({
        allow: true,
        type,
        major,
        minor,
        access,
      })),
      ...deviceRules.flatMap((text) => parseDeviceRule(text) ?? []),
    ],
  };
}

/** What a path of the host is; a folder stands for all devices in it, and below. */
function devicesAt({ hostPath, path }: DeviceRequest): Device[] {
  const refuse = (why: string) =>
    new HostError({
      what: `error gathering device information while adding custom device ${JSON.stringify(hostPath)}`,
      why,
    });
  const device = deviceOf(hostPath);
  if (device !== undefined) return [{ ...device, path }];
  if (!isThere(hostPath)) throw refuse("no such file or directory");
  if (!Deno.statSync(hostPath).isDirectory) throw refuse("not a device node");
  return devicesBelow(hostPath).map((device) => ({
    ...device,
    path: path + device.path.slice(hostPath.length),
  }));
}

/** Docker leaves out what is mounted or linked in /dev. */
const LEFT_OUT = ["pts", "shm", "fd", "mqueue", ".lxc", ".lxd-mounts", ".udev"];

function devicesBelow(folder: string): Device[] {
  const names = [...Deno.readDirSync(folder)].sort((one, other) => one.name < other.name ? -1 : 1);
  return names.flatMap(({ name, isDirectory, isSymlink }) => {
    if (isSymlink) return [];
    const path = `${folder}/${name}`;
    if (isDirectory) return LEFT_OUT.includes(name) ? [] : devicesBelow(path);
    const device = name === "console" ? undefined : deviceOf(path);
    return device === undefined ? [] : [device];
  });
}

function isThere(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** A device of the host, links followed. @returns undefined when there is nothing, or something else */
export function deviceOf(path: string): Device | undefined {
  if (!isThere(path)) return undefined;
  const { isBlockDevice, isCharDevice, rdev, mode, uid, gid } = Deno.statSync(path);
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
