/** Single files of cgroups: what comes of those that cannot be written. */
import { describeErrno, EACCES, EBUSY, EINVAL, ENOENT, EOPNOTSUPP, errnoOf } from "../../ffi/errno.ts";
import { DhowError, HostError } from "../errors.ts";
import { log } from "../log.ts";
import type { CgroupSetting } from "./step.ts";

/**
 * Writes a file of a cgroup, or what takes its place.
 * @throws {HostError} when the kernel refuses the value, or lacks the file
 */
export function writeSetting(cgroup: string, setting: CgroupSetting): void {
  if (!tryToWrite(cgroup, setting)) writeInstead(cgroup, setting);
}

/**
 * Goes on where the kernel does not have a setting's file.
 * @throws {HostError} when it has nothing in its place, and that is an error
 */
export function writeInstead(cgroup: string, setting: CgroupSetting): void {
  const { file, value, orElse, mayLack } = setting;
  if (orElse !== undefined && tryToWrite(cgroup, mayLack === undefined ? orElse : { ...orElse, mayLack })) {
    return;
  }
  if (typeof mayLack === "string") log.warn(mayLack);
  if (mayLack === undefined) throw missing(cgroup, { file, value });
}

/** @returns whether the file is there, and has a meaning for what it is about: a disk's weight has none with most schedulers */
function tryToWrite(cgroup: string, { file, value, mayLack }: CgroupSetting): boolean {
  try {
    Deno.writeTextFileSync(`${cgroup}/${file}`, value, { create: false });
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    if (mayLack !== undefined && errnoOf(error) === EOPNOTSUPP) return false;
    throw explainSettingFailure(cgroup, { file, value }, error);
  }
}

const missing = (cgroup: string, { file }: CgroupSetting) =>
  new HostError({
    what: "cannot limit what the container uses",
    why: `there is no "${cgroup}/${file}": the kernel, or the cgroup above, does not have that limit`,
  });

/** Why a file of a cgroup could not be written. */
export function explainSettingFailure(cgroup: string, setting: CgroupSetting, error: unknown): unknown {
  const errno = errnoOf(error);
  if (error instanceof DhowError || errno === undefined) return error;
  const { file, value } = setting;
  if (errno === ENOENT) return missing(cgroup, setting);
  const hands = file === "cgroup.subtree_control";
  const hint = hands && errno === EBUSY
    // "no internal processes" (cgroup-v2.rst)
    ? `it has processes of its own, and such a cgroup hands no controllers down; move them into one below it: mkdir ${cgroup}/init && for pid in $(cat ${cgroup}/cgroup.procs); do echo $pid >${cgroup}/init/cgroup.procs; done`
    : HINTS[file]?.[errno];
  return new HostError({
    what: hands ? "cannot hand limits to the container's cgroup" : "cannot limit what the container uses",
    why: `${describeErrno(errno)} when ${JSON.stringify(value)} was written to "${cgroup}/${file}"`,
    ...(hint === undefined ? {} : { hint }),
    cause: error,
  });
}

const TOO_MUCH_IN_USE = "it uses more than that already";
const BEYOND_PARENT = "the cgroup above has less";

const HINTS: Readonly<Record<string, Readonly<Record<number, string>>>> = {
  "memory.limit_in_bytes": {
    [EBUSY]: TOO_MUCH_IN_USE,
    [EINVAL]: "memory and swap together cannot be less than memory",
  },
  "memory.memsw.limit_in_bytes": {
    [EBUSY]: TOO_MUCH_IN_USE,
    [EINVAL]: "memory and swap together cannot be less than memory",
  },
  "memory.swappiness": { [EINVAL]: "the kernel takes 0 to 200" },
  "cpu.rt_runtime_us": { [EINVAL]: BEYOND_PARENT },
  "cpu.cfs_quota_us": { [EINVAL]: BEYOND_PARENT },
  "cpuset.cpus": { [EACCES]: BEYOND_PARENT, [EINVAL]: BEYOND_PARENT },
  "cpuset.mems": { [EACCES]: BEYOND_PARENT, [EINVAL]: BEYOND_PARENT },
  "pids.max": { [EINVAL]: "the kernel takes 4194304 at most" },
  "memory.oom_control": { [EOPNOTSUPP]: "the kernel does not let the OOM killer be disabled" },
};
