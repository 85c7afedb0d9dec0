import type { Device } from "../plan/oci.ts";
import type { ChildStep } from "../plan/step.ts";

/** Devices that every container has (OCI runtime spec, "Default Devices"); numbers as in the kernel's devices.txt. */
const DEVICES = [
  { name: "null", major: 1, minor: 3 },
  { name: "zero", major: 1, minor: 5 },
  { name: "full", major: 1, minor: 7 },
  { name: "random", major: 1, minor: 8 },
  { name: "urandom", major: 1, minor: 9 },
  { name: "tty", major: 5, minor: 0 },
] as const;

const LINKS = [
  ["/dev/ptmx", "pts/ptmx"],
  ["/dev/fd", "/proc/self/fd"],
  ["/dev/stdin", "/proc/self/fd/0"],
  ["/dev/stdout", "/proc/self/fd/1"],
  ["/dev/stderr", "/proc/self/fd/2"],
  ["/dev/core", "/proc/kcore"],
] as const;

/**
 * What lies in /dev, once a tmpfs is mounted there. A user namespace may not make devices: it gets the host's.
 * @param requested of which those that all have give way to those with their paths
 */
export function deviceSteps(inUserNamespace: boolean, requested: readonly Device[] = []): ChildStep[] {
  const usual = DEVICES.filter(({ name }) => !requested.some(({ path }) => path === `/dev/${name}`));
  const devices = usual.map(({ name, major, minor }): ChildStep =>
    inUserNamespace
      ? {
        op: "bind",
        why: `give it /dev/${name}`,
        source: `/dev/${name}`,
        inRoot: `/dev/${name}`,
        kind: "file",
        replacesLink: false,
        recursive: false,
        attributes: [],
      }
      : {
        op: "make-device",
        why: `give it /dev/${name}`,
        inRoot: `/dev/${name}`,
        type: "c",
        major,
        minor,
        mode: 0o666,
      }
  );
  const links = LINKS.map(([inRoot, target]): ChildStep => ({
    op: "make-symlink",
    why: `give it ${inRoot}`,
    inRoot,
    target,
  }));
  return [...devices, ...links];
}

/** Devices that this container has besides those that all have. */
export function requestedDeviceSteps(devices: readonly Device[]): ChildStep[] {
  return devices.map(({ path, type, major, minor, fileMode, uid, gid }) => ({
    op: "make-device",
    why: `give it ${path}`,
    inRoot: path,
    type,
    major,
    minor,
    mode: fileMode,
    ...(uid === 0 && gid === 0 ? {} : { owner: { uid, gid } }),
    followsLinks: !path.startsWith("/dev/"),
  }));
}
