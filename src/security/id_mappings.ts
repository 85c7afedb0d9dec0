/** Which ids of the host a user namespace's ids are (user_namespaces(7)). */
import type { IdMapping, IdMappings } from "../plan/step.ts";

/** Ids are 32 bits wide, and the last one stands for none. */
const ID_COUNT = 2 ** 32 - 1;

/** What the kernel takes (user_namespaces(7)). */
const MAX_MAPPINGS = 340;

/** What who has no id in a namespace looks like there (/proc/sys/kernel/overflowuid). */
const OVERFLOW_ID = 65534;

/** `CONTAINER:HOST:SIZE`, as podman has it; without a size it is 1. @returns undefined for what is none */
export function parseMapping(text: string): IdMapping | undefined {
  const [, container = "", host = "", length = "1"] = /^(\d{1,10}):(\d{1,10})(?::(\d{1,10}))?$/.exec(text) ??
    [];
  const [containerID, hostID, size] = [Number(container), Number(host), Number(length)];
  if (container === "" || size === 0) return undefined;
  return containerID + size <= ID_COUNT && hostID + size <= ID_COUNT
    ? { containerID, hostID, size }
    : undefined;
}

const overlap = (a: number, b: number, { size: sizeOfA }: IdMapping, { size: sizeOfB }: IdMapping) =>
  a < b + sizeOfB && b < a + sizeOfA;

/** Why the kernel, or dhow, could not do with such mappings; undefined when they are well. */
export function mappingFault(mappings: readonly IdMapping[]): string | undefined {
  if (mappings.length > MAX_MAPPINGS) return `there are more than ${MAX_MAPPINGS} ranges`;
  for (const [index, one] of mappings.entries()) {
    for (const other of mappings.slice(0, index)) {
      if (overlap(one.containerID, other.containerID, one, other)) {
        return `ids from ${Math.max(one.containerID, other.containerID)} of the container are mapped twice`;
      }
      if (overlap(one.hostID, other.hostID, one, other)) {
        return `ids from ${Math.max(one.hostID, other.hostID)} of the host are given twice`;
      }
    }
  }
  return isMapped(mappings, 0) ? undefined : "id 0 of the container is not mapped: it has no root";
}

/** What an id of the container is on the host; undefined for one that is not mapped. */
export function toHost(mappings: readonly IdMapping[], id: number): number | undefined {
  for (const { containerID, hostID, size } of mappings) {
    if (id >= containerID && id < containerID + size) return hostID + (id - containerID);
  }
  return undefined;
}

/** Whether the container has an id. */
export const isMapped = (mappings: readonly IdMapping[], id: number): boolean =>
  toHost(mappings, id) !== undefined;

/** How the container sees an id of the host: as nobody's, if it is none of its own. */
export function toContainer(mappings: readonly IdMapping[], id: number): number {
  for (const { containerID, hostID, size } of mappings) {
    if (id >= hostID && id < hostID + size) return containerID + (id - hostID);
  }
  return OVERFLOW_ID;
}

/** The host's ids of the container's root. @throws {Error} when it has none */
export function rootOnHost({ uids, gids }: IdMappings): { uid: number; gid: number } {
  const [uid, gid] = [toHost(uids, 0), toHost(gids, 0)];
  if (uid === undefined || gid === undefined) throw new Error("mappings without a root");
  return { uid, gid };
}

/** How many ids from 0 on are mapped without a gap. */
export function mappedFromZero(mappings: readonly IdMapping[]): number {
  let count = 0;
  for (const { containerID, size } of mappings.toSorted((a, b) => a.containerID - b.containerID)) {
    if (containerID !== count) break;
    count += size;
  }
  return count;
}

/**
 * Maps the ids from 0 to `size` to a range of the host's, but for those that are mapped already.
 * @param start of the host's range, which has as many ids as idsNeeded says
 */
export function fillMappings(forced: readonly IdMapping[], size: number, start: number): IdMapping[] {
  const mappings: IdMapping[] = [];
  let [id, hostID] = [0, start];
  const fillTo = (end: number) => {
    if (end <= id) return;
    mappings.push({ containerID: id, hostID, size: end - id });
    hostID += end - id;
    id = end;
  };
  for (const mapping of forced.toSorted((a, b) => a.containerID - b.containerID)) {
    fillTo(Math.min(mapping.containerID, size));
    mappings.push(mapping);
    id = Math.max(id, mapping.containerID + mapping.size);
  }
  fillTo(size);
  return mappings;
}

/** How many ids of the host fillMappings takes from its range. */
export function idsNeeded(forced: readonly IdMapping[], size: number): number {
  const own = fillMappings(forced, size, 0).filter((mapping) => !forced.includes(mapping));
  return own.reduce((sum, mapping) => sum + mapping.size, 0);
}

/**
 * Maps one id to 0, the user's own, and those below and above it to the ids from 1 on.
 * @param count how many ids there are, the user's own among them
 */
export function keepId(count: number, id: number): IdMapping[] {
  const below = Math.min(id, count - 1);
  const above = Math.min(count - 1 - below, ID_COUNT - id - 1);
  return [
    { containerID: 0, hostID: 1, size: below },
    { containerID: id, hostID: 0, size: 1 },
    { containerID: id + 1, hostID: below + 1, size: above },
  ].filter(({ size }) => size > 0);
}
