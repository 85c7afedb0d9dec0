/** How a container's first process comes to be: in which namespaces, and whose child it is. */
import type { Pipe } from "../../ffi/process.ts";
import { type SpawnedChild, spawnJoining, spawnWalking } from "../../ffi/spawn.ts";
import type { CallTable } from "../../ffi/table.ts";
import type { Monitor } from "./monitored.ts";
import { namespaceFlags } from "./namespace_flags.ts";
import type { Partners } from "./partners.ts";
import type { HostStep, NamespaceKind } from "./step.ts";

/** Processes that have to do with a child's start. */
export interface Kin {
  /** Its parent, if that is not to be dhow. */
  readonly monitor: Monitor | undefined;
  /** First processes of containers whose namespaces it joins. */
  readonly partners: Partners | undefined;
}

/**
 * Starts a child that walks a table.
 * @param namespaces what is made for it
 * @param pipes the child's byte in `ready` says that it is there
 * @param meanwhile what is done while the kernel makes the namespaces: the table's first calls are there, the others are added
 * @throws {DhowError} when it cannot be started
 */
export async function spawnChild(
  table: CallTable,
  namespaces: readonly NamespaceKind[],
  pipes: { readonly ready: Pipe; readonly go: Pipe },
  { monitor, partners }: Kin,
  meanwhile: () => void,
): Promise<SpawnedChild> {
  const flags = namespaceFlags(namespaces);
  const pidNamespace = partners?.pidNamespace;
  try {
    if (monitor !== undefined) {
      const pid = monitor.start(table, flags, pipes, meanwhile, pidNamespace);
      // its end is the monitor's to see: this one only tells when it has become its program, or has failed to
      return { pid, ended: monitor.settled().then(() => ({ code: 1 })) };
    }
    return pidNamespace === undefined
      ? spawnWalking(table, flags, pipes.ready, meanwhile)
      : await spawnJoining(table, flags, pipes.ready, pidNamespace, meanwhile);
  } catch (error) {
    throw partners?.explain(error) ?? error;
  }
}

/** The containers whose namespaces the child joins; undefined when it joins none. */
export async function openPartners(
  { joins = [], steps }: Extract<HostStep, { do: "start-child" }>,
): Promise<Partners | undefined> {
  if (joins.length === 0) return undefined;
  const partners = new (await import("./partners.ts")).Partners(joins);
  try {
    for (const step of steps) {
      if (step.op === "take-shared-memory") await partners.openSharedMemory(step.container);
    }
  } catch (error) {
    partners[Symbol.dispose]();
    throw error;
  }
  return partners;
}
