/** What a container's programs may do, as steps: before they become their user, and after. */
import type { Spec } from "../plan/oci.ts";
import type { ConfiningStep, SeccompFilter } from "../plan/step.ts";
import { CAPABILITIES, capabilityMask } from "./capabilities.ts";

export interface Confinement extends Pick<Spec["process"], "capabilities" | "noNewPrivileges"> {
  /** The number of the kernel's last capability. */
  readonly lastCapability: number;
  /** undefined for none */
  readonly filter: SeccompFilter | undefined;
}

/**
 * Without no_new_privs a filter takes CAP_SYS_ADMIN, which goes with the capabilities (seccomp(2)); with it, it comes last of all.
 * The bounding set takes CAP_SETPCAP, which goes when the user changes.
 */
export function confiningSteps(
  { capabilities, noNewPrivileges, lastCapability, filter }: Confinement,
): { beforeUser: readonly ConfiningStep[]; afterUser: readonly ConfiningStep[] } {
  const { bounding, permitted, effective } = capabilities;
  const drops = Array.from({ length: lastCapability + 1 }, (_, number) => number)
    .filter((number) => !bounding.some((name) => name === CAPABILITIES[number]));
  const load: ConfiningStep[] = filter === undefined
    ? []
    : [{ op: "load-filter", why: "let the kernel refuse system calls that it needs not", filter }];
  return {
    beforeUser: [
      {
        op: "drop-bounding-set",
        why: "take capabilities away that nothing in it can have",
        drops,
        keeps: bounding,
      },
      ...(noNewPrivileges ? [] : load),
    ],
    afterUser: [
      {
        op: "set-capabilities",
        why: "keep the capabilities that it has",
        permitted: Number(capabilityMask(permitted)),
        effective: Number(capabilityMask(effective)),
      },
      ...(noNewPrivileges
        ? [{ op: "forbid-new-privileges", why: "let no program give it more" } as const, ...load]
        : []),
    ],
  };
}
