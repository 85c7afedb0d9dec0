import type { Seccomp } from "../../plan/oci.ts";
import type { SeccompFilter } from "../../plan/step.ts";
import { FLAGS } from "./actions.ts";
import { compileSeccomp, type Cpu } from "./compile.ts";
import { DEFAULT_PROFILE } from "./default_profile.ts";
import { parseProfile, resolveProfile } from "./profile.ts";
import { type KernelVersion, parseRelease } from "../../kernel_release.ts";

/** The oldest kernel that dhow runs on: the default profile is the same on all. */
const OLDEST_KERNEL: KernelVersion = [5, 10];

/** The default profile for a container with these capabilities (its bounding set), in words. */
function defaultSeccomp(capabilities: readonly string[], cpu: Cpu): Seccomp {
  return resolveProfile(DEFAULT_PROFILE, { capabilities, cpu, kernel: OLDEST_KERNEL });
}

/** The default profile's filter for a container with these capabilities. */
export function compileDefault(capabilities: readonly string[], cpu: Cpu): SeccompFilter {
  return filterOf(defaultSeccomp(capabilities, cpu), cpu);
}

function filterOf(seccomp: Seccomp, cpu: Cpu): SeccompFilter {
  const program = btoa(String.fromCharCode(...compileSeccomp(seccomp, cpu)));
  return { flags: seccomp.flags.reduce((bits, flag) => bits | FLAGS[flag], 0), program };
}

/**
 * The filter of a profile of the user's for a container with these capabilities.
 * @param text docker's JSON
 * @param file its name, for messages
 * @param release the kernel's, as uname(2) has it
 * @throws {UsageError} which says what is wrong with it, and where
 */
export function compileProfile(
  text: string,
  file: string,
  capabilities: readonly string[],
  cpu: Cpu,
  release: string,
): SeccompFilter {
  const kernel = parseRelease(release);
  return filterOf(resolveProfile(parseProfile(text, file), { capabilities, cpu, kernel }), cpu);
}
