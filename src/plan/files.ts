import { AT_FDCWD, AT_SYMLINK_NOFOLLOW, O_CLOEXEC, O_CREAT, O_TRUNC, O_WRONLY } from "../../ffi/constants.ts";
import { Arena } from "../../ffi/arena.ts";
import { EBADF, EEXIST, ENOENT } from "../../ffi/errno.ts";
import { ENTRY_SIZE } from "../../ffi/machine_code.ts";
import { type Call, CallTable } from "../../ffi/table.ts";
import { explainSettingFailure, writeInstead, writeSetting } from "./cgroup_setting.ts";
import { explainHostFailure } from "./failure.ts";
import type { CgroupSetting, HostStep, Owner } from "./step.ts";

/** A step that only makes folders and files. */
export type FileStep = Extract<HostStep, { do: "make-directory" | "write-file" | "make-cgroups" }>;

export function isFileStep(step: HostStep): step is FileStep {
  return step.do === "make-directory" || step.do === "write-file" || step.do === "make-cgroups";
}

/** How many calls a step needs, at most. */
function callsFor(step: FileStep): number {
  switch (step.do) {
    case "make-directory":
      return 1 + step.path.split("/").length;
    case "write-file":
      return 4;
    case "make-cgroups":
      return [...step.parents ?? [], ...step.folders].reduce(
        (sum, { settings }) => sum + 1 + 3 * settings.length,
        0,
      );
  }
}

/** What a call is made for. */
interface Purpose {
  readonly step: FileStep;
  readonly cgroup?: string;
  readonly setting?: CgroupSetting;
}

/** A setting whose file may be missing, and the call that opens it. */
interface Tried {
  readonly cgroup: string;
  readonly setting: CgroupSetting;
  readonly opened: Call;
}

/**
 * Carries out steps, all their folders and files in one walk of a table.
 * @throws {HostError} for the first that cannot be made
 */
export function makeFiles(steps: readonly FileStep[]): void {
  const capacity = steps.reduce((sum, step) => sum + callsFor(step), 0);
  // as if each call held all texts of its step
  const size = (step: FileStep) => callsFor(step) * (ENTRY_SIZE + 4 * JSON.stringify(step).length);
  const arena = new Arena(steps.reduce((sum, step) => sum + size(step), 2 * ENTRY_SIZE));
  try {
    const calls = new FileCalls(new CallTable(arena, capacity));
    for (const step of steps) {
      try {
        calls.add(step);
      } catch (error) {
        throw explainHostFailure(step, error);
      }
    }
    calls.run();
  } finally {
    arena.release();
  }
}

/** The calls of some steps, and what each is made for. */
class FileCalls {
  readonly #purposes: Purpose[] = [];
  readonly #tried: Tried[] = [];
  /** Those that are done without, with a warning, if the kernel does not have them: it says so with errnos that no table tolerates. */
  readonly #forgone: Pick<Tried, "cgroup" | "setting">[] = [];

  constructor(readonly table: CallTable) {}

  run(): void {
    try {
      this.table.run();
    } catch (error) {
      const { step, cgroup, setting } = this.#purposes[this.table.failure?.index ?? 0]!;
      if (cgroup === undefined || setting === undefined) throw explainHostFailure(step, error);
      throw explainSettingFailure(cgroup, setting, error);
    }
    for (const { cgroup, setting, opened } of this.#tried) {
      if (opened.errno === ENOENT) writeInstead(cgroup, setting);
    }
    for (const { cgroup, setting } of this.#forgone) writeSetting(cgroup, setting);
  }

  add(step: FileStep): void {
    switch (step.do) {
      case "make-directory": {
        const names = step.path.split("/").slice(1);
        names.forEach((_, index) => this.#makeFolder(`/${names.slice(0, index + 1).join("/")}`, step.mode));
        if (step.owner !== undefined) this.#own(step.path, step.owner);
        break;
      }
      case "write-file": {
        const file = this.#open(step.path, O_CREAT | O_TRUNC, step.mode);
        this.#write(file, step.text);
        if (step.owner !== undefined) this.table.call("fchown", [file, step.owner.uid, step.owner.gid]);
        this.table.call("close", [file]);
        break;
      }
      case "make-cgroups":
        for (const { path, settings } of [...step.parents ?? [], ...step.folders]) {
          this.#makeFolder(path, 0o755);
          this.#mark({ step });
          settings.forEach((setting, index) => {
            this.#addSetting(path, setting, settings[index - 1], settings[index + 1]);
            this.#mark({ step, cgroup: path, setting });
          });
        }
    }
    this.#mark({ step });
  }

  /** Says what the calls are for that were added since the last time. */
  #mark(purpose: Purpose): void {
    while (this.#purposes.length < this.table.length) this.#purposes.push(purpose);
  }

  #makeFolder(path: string, mode: number): void {
    this.table.call("mkdirat", [AT_FDCWD, path, mode], { tolerate: [EEXIST] });
  }

  #own(path: string, { uid, gid }: Owner): void {
    this.table.call("fchownat", [AT_FDCWD, path, uid, gid, AT_SYMLINK_NOFOLLOW]);
  }

  #open(path: string, flags: number, mode: number, tolerate: readonly number[] = []): Call {
    return this.table.call("openat", [AT_FDCWD, path, O_WRONLY | O_CLOEXEC | flags, mode], { tolerate });
  }

  #write(file: Call, text: string, tolerate: readonly number[] = []): void {
    const length = new TextEncoder().encode(text).length;
    this.table.call("write", [file, text, length], { least: length, tolerate });
  }

  /** The file of the setting before, while it is the same. */
  #file: Call | undefined;

  /** Several lines for one file, as a list of devices has them, take one descriptor. */
  #addSetting(
    cgroup: string,
    setting: CgroupSetting,
    before: CgroupSetting | undefined,
    after: CgroupSetting | undefined,
  ): void {
    const { file, value, orElse, mayLack } = setting;
    if (typeof mayLack === "string") {
      this.#forgone.push({ cgroup, setting });
      return;
    }
    if (orElse !== undefined || mayLack !== undefined) {
      const opened = this.#open(`${cgroup}/${file}`, 0, 0, MISSING);
      this.#write(opened, value, NOT_OPEN);
      this.table.call("close", [opened], { tolerate: NOT_OPEN });
      this.#tried.push({ cgroup, setting, opened });
      return;
    }
    if (!isSameFile(setting, before)) this.#file = this.#open(`${cgroup}/${file}`, 0, 0);
    this.#write(this.#file!, value);
    if (!isSameFile(setting, after)) this.table.call("close", [this.#file!]);
  }
}

const MISSING = [ENOENT];
/** What comes of a descriptor that was to be that of a missing file. */
const NOT_OPEN = [EBADF];

function isSameFile({ file }: CgroupSetting, other: CgroupSetting | undefined): boolean {
  return other?.file === file && other.orElse === undefined && other.mayLack === undefined;
}
