/** What a container's programs may do: from the options of run, and from what dhow may do itself. */
import { readIfThere } from "../state/read.ts";
import {
  CAPABILITIES,
  type Capability,
  processCapabilities,
  resolveCapabilities,
} from "../security/capabilities.ts";
import type { Confinement } from "../security/confinement.ts";
import { readyFilter } from "../security/seccomp/filter.ts";
import type { SeccompFilter } from "../plan/step.ts";
import type { RunOptions } from "./options.ts";

/** A container's, whoever its programs run as. */
export interface Security extends Omit<Confinement, "capabilities"> {
  readonly capabilities: readonly Capability[];
}

const CPU = Deno.build.arch;

/** @throws {UsageError} for capabilities that there are not, and for profiles that cannot be used */
export async function securityOf(
  { security, userNamespace }: Pick<RunOptions, "security" | "userNamespace">,
): Promise<Security> {
  const { available, lastCapability } = capabilitiesHere(userNamespace);
  const { privileged = false, seccomp = "default" } = security ?? {};
  const choice = { add: security?.capAdd ?? [], drop: security?.capDrop ?? [], privileged };
  const capabilities = resolveCapabilities(choice, available);
  return {
    capabilities,
    lastCapability,
    noNewPrivileges: security?.noNewPrivileges ?? false,
    filter: privileged || seccomp === "unconfined" ? undefined : await filterFor(seccomp, capabilities),
  };
}

/** The same for a program of `exec --privileged`: all capabilities, and, as in docker, the container's filter. */
export function privileged(security: Security, userNamespace: boolean): Security {
  const choice = { add: [], drop: [], privileged: true };
  return {
    ...security,
    capabilities: resolveCapabilities(choice, capabilitiesHere(userNamespace).available),
  };
}

export function confinementOf(security: Security, uid: number): Confinement {
  return { ...security, capabilities: processCapabilities(security.capabilities, uid) };
}

async function filterFor(
  seccomp: "default" | { readonly file: string; readonly profile: string },
  capabilities: readonly Capability[],
): Promise<SeccompFilter> {
  const ready = seccomp === "default" ? readyFilter(capabilities, CPU) : undefined;
  if (ready !== undefined) return ready;
  // loaded only now: most containers have the filter that is ready-made
  const { compileDefault, compileProfile } = await import("../security/seccomp/choose.ts");
  return seccomp === "default"
    ? compileDefault(capabilities, CPU)
    : compileProfile(seccomp.profile, seccomp.file, capabilities, CPU, Deno.osRelease());
}

/** Which capabilities the kernel knows, and which of them dhow can give: all in a user namespace, else its own (proc(5)). */
function capabilitiesHere(inUserNamespace: boolean): { available: bigint; lastCapability: number } {
  const known = Number(readIfThere("/proc/sys/kernel/cap_last_cap") ?? CAPABILITIES.length - 1);
  const all = (1n << BigInt(known + 1)) - 1n;
  const status = inUserNamespace ? "" : readIfThere("/proc/self/status") ?? "";
  const own = /^CapBnd:\s*([0-9a-f]+)$/m.exec(status)?.[1];
  return { available: own === undefined ? all : all & BigInt(`0x${own}`), lastCapability: known };
}
