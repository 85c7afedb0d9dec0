/**
 * Containers that stand still: the kernel's freezer (Documentation/admin-guide/cgroup-v1/freezer-subsystem.rst and cgroup-v2.rst).
 * Whether one does is asked of the kernel each time, and written down nowhere.
 */
import { describeErrno, errnoOf } from "../../ffi/errno.ts";
import { readSmallFiles } from "../../ffi/files.ts";
import { HostError } from "../errors.ts";
import { readIfThere } from "../state/read.ts";
import { shortIdOf } from "./cgroup.ts";
import { type ControllerFolder, ControllerFolders } from "./controllers.ts";

/** A process may have to be woken first, from a page fault over a network, say. */
const FROZEN_WITHIN_MS = 10_000;

/** The file that freezes, what is written to it, and the file that says whether all stand still. */
const FILES = {
  1: { control: "freezer.state", freeze: "FROZEN", thaw: "THAWED" },
  2: { control: "cgroup.freeze", freeze: "1", thaw: "0" },
} as const;

/** What is written to which file to let a container go on. */
export interface Thaw {
  readonly path: string;
  readonly word: string;
}

/** The freezers of this host's containers, which are meant by their cgroups, as cgroupName gives them. */
export class Freezers {
  readonly #folders = new ControllerFolders();

  /** Whether this host has one. */
  get isThere(): boolean {
    return this.folder("") !== undefined;
  }

  /** Whether a container stands still, or is about to. */
  isFrozen(cgroup: string): boolean {
    const folder = this.folder(cgroup);
    return folder !== undefined && isFolderFrozen(folder);
  }

  /** The same for many containers, which are looked at together. @returns the cgroups of those that do */
  frozenAmong(cgroups: readonly string[]): Set<string> {
    const folders = cgroups.map((cgroup) => this.folder(cgroup)).filter((folder) => folder !== undefined);
    const states = readSmallFiles(
      folders.map(({ version, path }) => `${path}/${FILES[version].control}`),
      64,
    );
    // a host has a freezer for all of them, or for none
    return new Set(cgroups.filter((_, index) => isFrozenState(states[index], folders[index]?.version ?? 1)));
  }

  /**
   * Lets a container stand still, and waits until it does.
   * @throws {HostError} when the kernel has no freezer, or a process cannot be stopped; then all of them go on
   */
  async freeze(cgroup: string): Promise<void> {
    const folder = this.folder(cgroup);
    if (folder === undefined) {
      throw new HostError({
        what: `cannot pause container ${shortIdOf(cgroup)}`,
        why: "no cgroup hierarchy of this host has a freezer",
        hint: "mount it with: mount -t cgroup -o freezer freezer /sys/fs/cgroup/freezer",
      });
    }
    const { control, freeze } = FILES[folder.version];
    writeState(`${folder.path}/${control}`, freeze, `cannot pause container ${shortIdOf(cgroup)}`);
    const deadline = performance.now() + FROZEN_WITHIN_MS;
    // cgroup v1 has no event for it, and looks at the processes again when it is asked
    while (!standsStill(folder)) {
      if (performance.now() > deadline) {
        this.thaw(cgroup);
        const why = "a process of it could not be stopped";
        throw new HostError({ what: `cannot pause container ${shortIdOf(cgroup)}`, why });
      }
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  }

  /** Lets a container go on; one that goes on, or has ended, is left alone. */
  thaw(cgroup: string): void {
    const folder = this.folder(cgroup);
    if (folder !== undefined) thawFolder(folder, `cannot let container ${shortIdOf(cgroup)} go on`);
  }

  /** How to let a container go on; undefined when this host has no freezer. */
  thawing(cgroup: string): Thaw | undefined {
    const folder = this.folder(cgroup);
    if (folder === undefined) return undefined;
    const { control, thaw } = FILES[folder.version];
    return { path: `${folder.path}/${control}`, word: thaw };
  }

  /** The cgroup of a container that can be frozen; undefined when this host has no freezer. */
  folder(cgroup: string): ControllerFolder | undefined {
    return this.#folders.find("freezer", cgroup);
  }
}

/**
 * Lets what is in a cgroup go on, if it stands still; one that has gone is left alone.
 * @param what how errors name the work
 */
export function thawFolder(folder: ControllerFolder, what = "cannot let a cgroup go on"): void {
  if (!isFolderFrozen(folder)) return;
  const { control, thaw } = FILES[folder.version];
  try {
    writeState(`${folder.path}/${control}`, thaw, what);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/** @throws {HostError} when it cannot be written to. @throws {Deno.errors.NotFound} when it is not there */
function writeState(path: string, state: string, what: string): void {
  try {
    Deno.writeTextFileSync(path, state, { create: false });
  } catch (error) {
    const errno = errnoOf(error);
    if (error instanceof Deno.errors.NotFound || errno === undefined) throw error;
    throw new HostError({
      what,
      why: `${describeErrno(errno)} in "${path}"`,
      hint: "see that /sys/fs/cgroup is writable",
      cause: error,
    });
  }
}

function isFolderFrozen({ version, path }: ControllerFolder): boolean {
  return isFrozenState(readIfThere(`${path}/${FILES[version].control}`), version);
}

function isFrozenState(text: string | undefined, version: 1 | 2): boolean {
  return text !== undefined && text.trim() !== FILES[version].thaw;
}

function standsStill({ version, path }: ControllerFolder): boolean {
  if (version === 1) return readIfThere(`${path}/freezer.state`)?.trim() !== "FREEZING";
  return readIfThere(`${path}/cgroup.events`)?.includes("frozen 1") ?? true;
}
