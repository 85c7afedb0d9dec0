import type { SeccompFilter } from "../../plan/step.ts";
import { DEFAULT_CAPABILITIES } from "../capabilities.ts";
import { DEFAULT_FILTERS } from "./default_filter.ts";

/** Those that a rule of the default profile speaks of: all others change nothing. */
const ASKED_FOR = [
  "CAP_BPF",
  "CAP_DAC_READ_SEARCH",
  "CAP_PERFMON",
  "CAP_SYS_ADMIN",
  "CAP_SYS_BOOT",
  "CAP_SYS_CHROOT",
  "CAP_SYS_MODULE",
  "CAP_SYS_NICE",
  "CAP_SYS_PACCT",
  "CAP_SYS_PTRACE",
  "CAP_SYS_RAWIO",
  "CAP_SYS_TIME",
  "CAP_SYS_TTY_CONFIG",
  "CAP_SYSLOG",
] as const;

/**
 * The default filter for a container with these capabilities (its bounding set), if it is the one that is there ready-made;
 * undefined if it must be compiled (choose.ts).
 */
export function readyFilter(
  capabilities: readonly string[],
  cpu: "x86_64" | "aarch64",
): SeccompFilter | undefined {
  const isDefault = ASKED_FOR.every((name) =>
    capabilities.includes(name) === DEFAULT_CAPABILITIES.some((known) => known === name)
  );
  if (!isDefault) return undefined;
  return { flags: 0, program: DEFAULT_FILTERS[cpu].join("") };
}
