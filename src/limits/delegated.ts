/** The cgroup that an ordinary user may make others in ("Delegation", cgroup-v2.rst). */
import { canWrite } from "../../ffi/files.ts";
import { readIfThere } from "../state/read.ts";
import { cgroupVersion, hierarchies } from "./cgroup.ts";

/** What of a host decides it. */
export interface DelegationView {
  /** @returns undefined when there is no such file */
  read(path: string): string | undefined;
  canWrite(path: string): boolean;
}

const HERE: DelegationView = { read: readIfThere, canWrite };

/** Why there is none, for one line. */
export const NOT_DELEGATED: Readonly<Record<1 | 2, string>> = {
  1: "this host has cgroups of version 1, which are root's alone; the administrator can boot it with systemd.unified_cgroup_hierarchy=1",
  2: "this session's cgroup is not yours; try: systemd-run --user --scope dhow ...",
};

/**
 * The topmost cgroup above this process's that is the user's: processes can be moved below it. With systemd that is `user@UID.service`,
 * as far as this process was started by that.
 * @returns its path below the mount point; empty for the topmost of all
 */
export function delegatedCgroup(
  host: DelegationView = HERE,
): { readonly version: 1 | 2; readonly path: string | undefined } {
  const mounted = hierarchies(host.read("/proc/self/mountinfo") ?? "");
  const version = cgroupVersion(mounted);
  const mountPoint = mounted.find((hierarchy) => hierarchy.version === 2)?.mountPoint;
  const own = /^0::(\/.*)$/m.exec(host.read("/proc/self/cgroup") ?? "")?.[1];
  if (version === 1 || mountPoint === undefined || own === undefined || own.startsWith("/..")) {
    return { version, path: undefined };
  }
  const names = own.split("/").filter((name) => name !== "");
  const above = names.map((_, index) => `/${names.slice(0, index + 1).join("/")}`);
  const isOwn = (path: string) =>
    host.canWrite(`${mountPoint}${path}`) && host.canWrite(`${mountPoint}${path}/cgroup.procs`);
  return { version, path: ["", ...above].find(isOwn) };
}
