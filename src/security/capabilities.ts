import { UsageError } from "../errors.ts";
import type { ProcessCapabilities } from "../plan/oci.ts";

/** capabilities(7), by their numbers (include/uapi/linux/capability.h, Linux 6.18). */
export const CAPABILITIES = [
  "CAP_CHOWN",
  "CAP_DAC_OVERRIDE",
  "CAP_DAC_READ_SEARCH",
  "CAP_FOWNER",
  "CAP_FSETID",
  "CAP_KILL",
  "CAP_SETGID",
  "CAP_SETUID",
  "CAP_SETPCAP",
  "CAP_LINUX_IMMUTABLE",
  "CAP_NET_BIND_SERVICE",
  "CAP_NET_BROADCAST",
  "CAP_NET_ADMIN",
  "CAP_NET_RAW",
  "CAP_IPC_LOCK",
  "CAP_IPC_OWNER",
  "CAP_SYS_MODULE",
  "CAP_SYS_RAWIO",
  "CAP_SYS_CHROOT",
  "CAP_SYS_PTRACE",
  "CAP_SYS_PACCT",
  "CAP_SYS_ADMIN",
  "CAP_SYS_BOOT",
  "CAP_SYS_NICE",
  "CAP_SYS_RESOURCE",
  "CAP_SYS_TIME",
  "CAP_SYS_TTY_CONFIG",
  "CAP_MKNOD",
  "CAP_LEASE",
  "CAP_AUDIT_WRITE",
  "CAP_AUDIT_CONTROL",
  "CAP_SETFCAP",
  "CAP_MAC_OVERRIDE",
  "CAP_MAC_ADMIN",
  "CAP_SYSLOG",
  "CAP_WAKE_ALARM",
  "CAP_BLOCK_SUSPEND",
  "CAP_AUDIT_READ",
  "CAP_PERFMON",
  "CAP_BPF",
  "CAP_CHECKPOINT_RESTORE",
] as const;

export type Capability = typeof CAPABILITIES[number];

/** What a container has if nothing else is asked for: docker's. */
export const DEFAULT_CAPABILITIES: readonly Capability[] = [
  "CAP_CHOWN",
  "CAP_DAC_OVERRIDE",
  "CAP_FSETID",
  "CAP_FOWNER",
  "CAP_MKNOD",
  "CAP_NET_RAW",
  "CAP_SETGID",
  "CAP_SETUID",
  "CAP_SETFCAP",
  "CAP_SETPCAP",
  "CAP_NET_BIND_SERVICE",
  "CAP_SYS_CHROOT",
  "CAP_KILL",
  "CAP_AUDIT_WRITE",
];

/** How a container's capabilities are chosen, in docker's options. */
export interface CapabilityChoice {
  /** `--cap-add` and `--cap-drop`: names in any case, with or without CAP_, or ALL. */
  readonly add: readonly string[];
  readonly drop: readonly string[];
  readonly privileged: boolean;
}

const ALL = "ALL";

/**
 * Capabilities as --cap-add and --cap-drop name them.
 * @throws {UsageError} with docker's words for a name that there is not
 */
export function namesOfCapabilities(names: readonly string[]): (Capability | typeof ALL)[] {
  return names.map((text) => {
    const upper = text.toUpperCase();
    if (upper === ALL) return ALL;
    const name = upper.startsWith("CAP_") ? upper : `CAP_${upper}`;
    const known = CAPABILITIES.find((capability) => capability === name);
    if (known === undefined) {
      throw new UsageError({
        what: `invalid capability: ${JSON.stringify(text)}`,
        why: `unknown capability: ${JSON.stringify(name)}`,
        hint: "capabilities(7) lists them",
      });
    }
    return known;
  });
}

/**
 * The capabilities of a container, as docker 20.10 resolves its options (oci/caps/utils.go): whatever the order of the
 * options, `--cap-add ALL` is all but what is dropped, `--cap-drop ALL` nothing but what is added, and otherwise the
 * default's are dropped from first and added to then, so that what is both dropped and added is there.
 *
 * Unlike docker 20.10, which stops at CAP_AUDIT_READ, "all" are all that there are, as in docker since 23.
 *
 * @param available those that can be given, as a mask: the kernel knows them, and dhow has them itself
 * @returns each once, in the order of their numbers; those that are not available are left out
 * @throws {UsageError} for a name that there is not, or that was asked for by name and is not available
 */
export function resolveCapabilities(
  { add, drop, privileged }: CapabilityChoice,
  available: bigint,
): readonly Capability[] {
  const known = CAPABILITIES.filter((_, number) => available >> BigInt(number) & 1n);
  const added = namesOfCapabilities(add);
  const dropped = namesOfCapabilities(drop);
  const unknown = added.find((name) => name !== ALL && !known.includes(name));
  if (unknown !== undefined) {
    throw new UsageError({
      what: `cannot add the capability ${unknown}`,
      why: "this kernel does not know it, or dhow does not have it itself",
      hint: "see CapBnd in /proc/self/status, and capabilities(7)",
    });
  }
  const chosen = (): readonly string[] => {
    if (privileged) return known;
    if (added.includes(ALL)) return known.filter((name) => !dropped.includes(name));
    if (dropped.includes(ALL)) return added;
    return [...DEFAULT_CAPABILITIES.filter((name) => !dropped.includes(name)), ...added];
  };
  const names = new Set(chosen());
  return known.filter((name) => names.has(name));
}

/**
 * What each of a process's sets is to be. Nothing is inheritable, so that no file of the image with inheritable
 * capabilities gives a program more than its user has (CVE-2022-24769, CVE-2022-27649, CVE-2022-29162); then nothing can be
 * ambient either (capabilities(7)). Only root has capabilities; other users can gain them, from programs of root's.
 */
export function processCapabilities(names: readonly Capability[], uid: number): ProcessCapabilities {
  const own = uid === 0 ? names : [];
  return { bounding: names, effective: own, permitted: own, inheritable: [], ambient: [] };
}

/** A set as the kernel has it: bit N stands for capability N. */
export function capabilityMask(names: readonly string[]): bigint {
  return names.reduce((mask, name) => {
    const number = CAPABILITIES.findIndex((capability) => capability === name);
    if (number < 0) throw new RangeError(`there is no capability ${name}`);
    return mask | 1n << BigInt(number);
  }, 0n);
}
