/** Runs the programs that read and write the host's rules. */
import { HostError } from "../../errors.ts";
import { findProgram, runProgram } from "../../plan/program.ts";
import { type Backend, hasIpv6, iptablesProgram } from "./backend.ts";
import { countCommits } from "./iptables_restore.ts";
import type { Family } from "./network.ts";

const TOOLS: Readonly<Record<Family, string>> = { 4: "iptables", 6: "ip6tables" };

/** @throws {HostError} when the host has no such program */
function require(path: string | undefined, name: string, what: string): string {
  if (path !== undefined) return path;
  throw new HostError({ what, why: `this host has no "${name}" command`, hint: "install it" });
}

/** The families of those that the host can filter: where the kernel has no IPv6, nothing needs to be. */
export function filterable(families: readonly Family[]): Family[] {
  return families.filter((family) => family === 4 || hasIpv6());
}

/**
 * Changes rules, for each family all at once.
 * @param inputOf what iptables-restore(8) is given, or an empty string for no change; it may ask for what iptables-save(8) says
 * @returns how many changes the kernel has made
 * @throws {HostError} when a program lacks, or fails
 */
export async function changeIptables(
  backend: Exclude<Backend, "nft">,
  families: readonly Family[],
  what: string,
  inputOf: (family: Family, saved: () => Promise<string>) => string | Promise<string>,
): Promise<number> {
  const changes = await Promise.allSettled(families.map(async (family) => {
    const program = (verb: "save" | "restore") =>
      require(iptablesProgram(backend, family, verb), `${TOOLS[family]}-${verb}`, what);
    const input = await inputOf(family, () => runProgram(program("save"), [], { what }));
    // -w: wait for another program that changes the rules
    if (input !== "") await runProgram(program("restore"), ["-w", "--noflush"], { input, what });
    return countCommits(input);
  }));
  // only now: whoever tries something else must not do so beside what was begun
  return changes.reduce((sum, change) => {
    if (change.status === "rejected") throw change.reason;
    return sum + change.value;
  }, 0);
}

/** The same for what nft(8) is given: one change. */
export async function changeNft(what: string, input: string): Promise<number> {
  await runProgram(require(findProgram("nft"), "nft", what), ["-f", "-"], { input, what });
  return 1;
}
