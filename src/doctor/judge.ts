import type { Facts } from "./facts.ts";
import type { Finding } from "./finding.ts";
import { judgeCgroups } from "./judge_cgroups.ts";
import { judgeKernel } from "./judge_kernel.ts";
import { judgeNetwork } from "./judge_network.ts";
import { judgeRootless } from "./judge_rootless.ts";
import { judgeStorage } from "./judge_storage.ts";

export type { Finding } from "./finding.ts";

/** What a host is good for, in the order in which it is printed. Asks nothing of the system. */
export function judge(facts: Facts): Finding[] {
  return [judgeKernel, judgeCgroups, judgeStorage, judgeNetwork, judgeRootless].flatMap((part) =>
    part(facts)
  );
}

/** Whether containers can run, be it without a network of their own. */
export function canRun(findings: readonly Finding[]): boolean {
  return !findings.some(({ status }) => status === "broken");
}
