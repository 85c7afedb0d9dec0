import { compileSeccomp, type Cpu } from "./compile.ts";
import { DEFAULT_PROFILE } from "./default_profile.ts";
import { type KernelVersion, parseProfile, resolveProfile } from "./profile.ts";
import type { Seccomp } from "../../plan/oci.ts";

/** The oldest kernel that dhow runs on: the default profile is the same on all. */
const OLDEST_KERNEL: KernelVersion = [5, 10];

/** The default profile for a container with these capabilities (its bounding set), in words. */
export function defaultSeccomp(capabilities: readonly string[], cpu: Cpu): Seccomp {
  return resolveProfile(DEFAULT_PROFILE, { capabilities, cpu, kernel: OLDEST_KERNEL });
}

/** The default profile's filter for a container with these capabilities. */
export function compileDefault(capabilities: readonly string[], cpu: Cpu): Uint8Array<ArrayBuffer> {
  return compileSeccomp(defaultSeccomp(capabilities, cpu), cpu);
}

/**
 * A profile of the user's for a container with these capabilities.
 * @param text docker's JSON
 * @param file its name, for messages
 * @param release the kernel's, as uname(2) has it
 * @throws {UsageError} which says what is wrong with it, and where
 */
export function readSeccomp(
  text: string,
  file: string,
  capabilities: readonly string[],
  cpu: Cpu,
  release: string,
): Seccomp {
  const [, version = "0", revision = "0"] = /^(\d+)\.(\d+)/.exec(release) ?? [];
  return resolveProfile(parseProfile(text, file), {
    capabilities,
    cpu,
    kernel: [Number(version), Number(revision)],
  });
}
