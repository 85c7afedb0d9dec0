/** Limits of a container that runs. */
import { pathExists } from "../../ffi/files.ts";
import { errnoOf, ESRCH } from "../../ffi/errno.ts";
import { HostError } from "../errors.ts";
import { writeSetting } from "../plan/cgroup_setting.ts";
import type { Resources } from "../plan/oci.ts";
import type { CgroupSetting } from "../plan/step.ts";
import { readIfThere } from "../state/read.ts";
import { cpusetGaps } from "./cgroup.ts";
import { type ControllerFolder, ControllerFolders } from "./controllers.ts";
import { processesIn, processesOf } from "./processes.ts";
import { settingsV1 } from "./v1.ts";
import { changesV2, controllersOf } from "./v2.ts";

type Limited = Omit<Resources, "devices">;

export interface Change {
  /** The container's, as cgroupName gives it. */
  readonly cgroup: string;
  /** What is to be changed, in the standard's words. */
  readonly given: Limited;
  /** All that holds from then on. */
  readonly merged: Limited;
  /** Writes down that a cgroup is going to be made, to be removed with the others. */
  readonly willMake: (path: string) => void;
}

/** @throws {HostError} when the kernel refuses one; those before it are changed then */
export function applyLimits({ cgroup, given, merged, willMake }: Change): void {
  const folders = new ControllerFolders();
  const top = folders.find("memory", "") ?? folders.find("cpu", "") ?? folders.find("pids", "");
  if (top?.version === 2) {
    const settings = changesV2(given, merged);
    handDown(top.path, cgroup, controllersOf(settings));
    for (const setting of settings) writeSetting(top.path + cgroup, setting);
    return;
  }
  const memoryLimit = Number(
    readIfThere(`${folders.find("memory", cgroup)?.path}/memory.limit_in_bytes`) ?? Infinity,
  );
  const changes = settingsV1(given);
  for (const [controller, settings] of Object.entries(settingsV1(merged, { memoryLimit }))) {
    const changed = filesOf(changes[controller] ?? []);
    const folder = changed.size === 0 ? undefined : folders.find(controller, cgroup);
    if (folder === undefined) continue;
    if (controller === "cpuset") joinCpuset(folder, cgroup, willMake);
    for (const setting of settings) {
      if (changed.has(setting.file)) writeSetting(folder.path, setting);
    }
  }
}

const filesOf = (settings: readonly CgroupSetting[]) => new Set(settings.map(({ file }) => file));

/** On cgroup v2 each cgroup on the way has to hand the controllers down. */
function handDown(top: string, cgroup: string, controllers: readonly string[]): void {
  const names = cgroup.split("/").slice(1, -1);
  const above = [top, ...names.map((_, index) => `${top}/${names.slice(0, index + 1).join("/")}`)];
  for (const path of above) {
    const active = (readIfThere(`${path}/cgroup.subtree_control`) ?? "").trim().split(" ");
    const missing = controllers.filter((name) => !active.includes(name));
    if (missing.length === 0) continue;
    const value = missing.map((name) => `+${name}`).join(" ");
    writeSetting(path, { file: "cgroup.subtree_control", value });
  }
}

/** How often it is looked for processes that were started meanwhile. */
const LOOKS = 1000;

/**
 * A container that was started without limits of CPUs has no cgroup where only these are counted (cgroup.ts), or not yet all of it,
 * if somebody was killed who made one.
 */
function joinCpuset({ path }: ControllerFolder, cgroup: string, willMake: (path: string) => void): void {
  const top = path.slice(0, -cgroup.length);
  const names = cgroup.split("/").slice(1);
  const paths = names.map((_, index) => `/${names.slice(0, index + 1).join("/")}`);
  const { lacks } = cpusetGaps(top, paths, Deno.readTextFileSync);
  for (const [index, each] of paths.entries()) {
    if (!pathExists(top + each)) {
      willMake(top + each);
      Deno.mkdirSync(top + each);
    }
    for (const setting of lacks[index]!) writeSetting(top + each, setting);
  }
  for (let look = 0; look < LOOKS; look++) {
    const there = processesIn(path);
    const others = processesOf(cgroup).filter((pid) => !there.has(pid));
    if (others.length === 0) return;
    for (const pid of others) move(pid, path);
  }
  throw new HostError({
    what: "cannot limit which CPUs the container uses",
    why: "it starts processes faster than they can be moved into a cgroup for that",
    hint: "pause it first: dhow pause",
  });
}

function move(pid: number, cgroup: string): void {
  try {
    Deno.writeTextFileSync(`${cgroup}/cgroup.procs`, String(pid), { create: false });
  } catch (error) {
    if (errnoOf(error) !== ESRCH) throw error; // it has ended
  }
}
