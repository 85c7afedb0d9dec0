/** Limits of a process (getrlimit(2)). */
import type { Arena } from "../../ffi/arena.ts";
import type { Argument, Call } from "../../ffi/table.ts";

/** Numbers of the resources, by docker's names (docker/go-units). */
const RESOURCES = {
  core: 4,
  cpu: 0,
  data: 2,
  fsize: 1,
  locks: 10,
  memlock: 8,
  msgqueue: 12,
  nice: 13,
  nofile: 7,
  nproc: 6,
  rss: 5,
  rtprio: 14,
  rttime: 15,
  sigpending: 11,
  stack: 3,
} as const;

export type RlimitName = keyof typeof RESOURCES;

/** -1 for no limit. */
export interface Rlimit {
  readonly name: RlimitName;
  readonly soft: number;
  readonly hard: number;
}

export const isRlimitName = (name: string): name is RlimitName => Object.hasOwn(RESOURCES, name);

/** Adds the calls of setrlimit(2) to the table of a process that is to have these limits. */
export function setLimits(
  table: { readonly arena: Arena; call(name: string, args: readonly Argument[]): Call },
  limits: readonly Rlimit[],
): void {
  for (const { name, soft, hard } of limits) {
    const limit = table.arena.allocate(16);
    table.arena.setWord(limit, soft); // -1 is RLIM_INFINITY
    table.arena.setWord(limit + 8, hard);
    table.call("setrlimit", [RESOURCES[name], limit]);
  }
}

/** As the OCI runtime specification words it (config.md, POSIX process): `RLIMIT_NOFILE`. */
export type RlimitType = `RLIMIT_${Uppercase<RlimitName>}`;

export const rlimitType = (name: RlimitName) => `RLIMIT_${name.toUpperCase()}` as RlimitType;

export const rlimitName = (type: RlimitType) => type.slice("RLIMIT_".length).toLowerCase() as RlimitName;
