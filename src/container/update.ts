/** Changes of a container's limits: docker's rules (container_unix.go, UpdateContainer). */
import { DhowError } from "../errors.ts";
import { applyLimits } from "../limits/apply.ts";
import type { Limits } from "../limits/limits.ts";
import type { Undo } from "../plan/step.ts";
import type { Database } from "../state/database.ts";
import { isAlive } from "../state/process_identity.ts";
import { resourcesOf } from "./limiting.ts";
import { cgroupOf, type ContainerRecord, getContainer, isRunning, lookUpContainer } from "./records.ts";
import { awaitOwner } from "./stop.ts";
import { withoutCgroup } from "./user_namespace.ts";
import { isRootless } from "../state/user_namespace.ts";

/**
 * Changes limits of a container, now if it runs, and for its next start. One that is being started has its cgroups with the limits
 * that were on record then, and is waited for.
 * @param given those that are changed, checked already
 * @throws {DhowError} when they contradict those that it has, or the kernel refuses one; then they are what they were on record
 */
export async function updateLimits(database: Database, id: string, given: Limits): Promise<void> {
  while (true) {
    const change = database.transaction(() => {
      const record = getContainer(database, id);
      if (isRootless() && record.config.options.cgroupBase === undefined) {
        throw withoutCgroup(`Cannot update container ${id}`);
      }
      if (isBeingStarted(database, record)) return { record };
      const { limits = {} } = record.config.options;
      const merged = mergeLimits(id, limits, given);
      setLimits(database, id, merged);
      return { record, limits, merged };
    });
    if (change.merged !== undefined) return apply(database, change.record, { ...change, given });
    await awaitOwner(change.record);
  }
}

/** Whether somebody has made a plan of its start, and its first process is not there yet. */
function isBeingStarted(database: Database, { id, owner, process }: ContainerRecord): boolean {
  if (process !== null || !isAlive(owner)) return false;
  return journalOf(database, id).some(({ undo }) => undo === "remove-cgroups");
}

interface LimitChange {
  readonly given: Limits;
  /** All of them before, and after. */
  readonly limits: Limits;
  readonly merged: Limits;
}

function apply(database: Database, record: ContainerRecord, { given, limits, merged }: LimitChange): void {
  const { id } = record;
  if (!isRunning(record)) return;
  try {
    applyLimits({
      cgroup: cgroupOf(record),
      given: resourcesOf(given),
      merged: resourcesOf(merged),
      willMake: (path) => addCgroup(database, id, path),
    });
  } catch (error) {
    const now = lookUpContainer(database, id);
    if (now === undefined || !isRunning(now)) return; // it has ended meanwhile, and its cgroups have gone
    database.transaction(() => {
      // not what another update has written since then
      const current = lookUpContainer(database, id)?.config.options.limits;
      if (JSON.stringify(current) === JSON.stringify(merged)) setLimits(database, id, limits);
    });
    if (!(error instanceof DhowError)) throw error;
    throw cannot(id, error.message, error);
  }
}

const cannot = (id: string, why: string, cause?: unknown) =>
  new DhowError({ what: `Cannot update container ${id}`, why, cause });

/**
 * What a container's limits become.
 * @throws {DhowError} in docker's words, when the new ones contradict those that stay
 */
export function mergeLimits(id: string, current: Limits, given: Limits): Limits {
  const conflicts: readonly [keyof Limits, keyof Limits, string][] = [
    ["nanoCpus", "cpuPeriod", "Nano CPUs cannot be updated as CPU Period has already been set"],
    ["nanoCpus", "cpuQuota", "Nano CPUs cannot be updated as CPU Quota has already been set"],
    ["cpuPeriod", "nanoCpus", "CPU Period cannot be updated as NanoCPUs has already been set"],
    ["cpuQuota", "nanoCpus", "CPU Quota cannot be updated as NanoCPUs has already been set"],
  ];
  for (const [changed, stays, why] of conflicts) {
    if (Number(given[changed] ?? 0) > 0 && Number(current[stays] ?? 0) > 0) {
      throw cannot(id, `Conflicting options: ${why}`);
    }
  }
  const { memory, memorySwap } = given;
  if (memory !== undefined && memorySwap === undefined && memory > (current.memorySwap ?? 0)) {
    throw cannot(
      id,
      "Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time",
    );
  }
  const merged = { ...current, ...given };
  if (merged.memory !== undefined && merged.memorySwap !== undefined) {
    // docker leaves this to the kernel, and a container that does not run it cannot start any more
    if (merged.memorySwap !== -1 && merged.memorySwap < merged.memory) {
      throw cannot(id, "Minimum memoryswap limit should be larger than memory limit, see usage");
    }
  }
  return merged;
}

function setLimits(database: Database, id: string, limits: Limits): void {
  const sql = "UPDATE containers SET config = json_set(config, '$.options.limits', json(?)) WHERE id = ?";
  database.run(sql, JSON.stringify(limits), id);
}

/** Writes one more cgroup of a container into its journal: it goes with the others. */
function addCgroup(database: Database, id: string, path: string): void {
  database.transaction(() => {
    const changed = journalOf(database, id).map((entry) =>
      entry.undo === "remove-cgroups" ? { ...entry, folders: [path, ...entry.folders] } : entry
    );
    database.run("UPDATE containers SET undo = ? WHERE id = ?", JSON.stringify(changed), id);
  });
}

function journalOf(database: Database, id: string): Undo[] {
  const row = database.get<{ undo: string }>("SELECT undo FROM containers WHERE id = ?", id);
  return JSON.parse(row?.undo ?? "[]") as Undo[];
}
