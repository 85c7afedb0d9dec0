import { basename } from "@std/path";
import { HostError } from "../../errors.ts";
import { findProgram } from "../../plan/program.ts";
import type { Family } from "./network.ts";

/** Which firewall of the kernel holds the rules, and which program sets them. */
export const BACKENDS = ["iptables-nft", "iptables-legacy", "nft"] as const;
export type Backend = typeof BACKENDS[number];

const TOOLS: Readonly<Record<Family, string>> = { 4: "iptables", 6: "ip6tables" };

/** As the host's alternative for iptables says, or else nft. @returns undefined when the host has neither */
export function findBackend(): Backend | undefined {
  const restore = findProgram("iptables-restore");
  if (restore !== undefined && findProgram("iptables-save") !== undefined) return kindOf(restore);
  return findProgram("nft") === undefined ? undefined : "nft";
}

/**
 * @param used the one that has rules of dhow's already: they stay together, as long as its programs are there
 * @throws {HostError} when the host has no program for a firewall
 */
export function chooseBackend(used?: Backend): Backend {
  if (used !== undefined && isThere(used)) return used;
  const backend = findBackend();
  if (backend !== undefined) return backend;
  throw new HostError({
    what: "cannot set up the network",
    why: 'this host has neither an "iptables" nor an "nft" command',
    hint: "install one (Debian: apt-get install iptables), or run with --network none or --network host",
  });
}

function isThere(backend: Backend): boolean {
  return backend === "nft"
    ? findProgram("nft") !== undefined
    : (["save", "restore"] as const).every((verb) => iptablesProgram(backend, 4, verb) !== undefined);
}

/** The path of a program that reads or writes the rules of one of the two; undefined when there is none. */
export function iptablesProgram(
  backend: Exclude<Backend, "nft">,
  family: Family,
  verb: "save" | "restore",
): string | undefined {
  const tool = TOOLS[family];
  const usual = findProgram(`${tool}-${verb}`);
  if (usual !== undefined && kindOf(usual) === backend) return usual;
  return findProgram(`${tool}${backend.slice("iptables".length)}-${verb}`);
}

/** Both kinds are one program each, to which links lead; before iptables 1.8 there was only the older. */
function kindOf(path: string): Exclude<Backend, "nft"> {
  const program = basename(Deno.realPathSync(path));
  if (/nft/.test(program)) return "iptables-nft";
  if (/legacy|multi/.test(program)) return "iptables-legacy";
  const { stdout } = new Deno.Command(path, { args: ["--version"], stderr: "null" }).outputSync();
  return /nf_tables/.test(new TextDecoder().decode(stdout)) ? "iptables-nft" : "iptables-legacy";
}

/** Whether this kernel has IPv6: `ipv6.disable=1` takes it away. */
export function hasIpv6(): boolean {
  try {
    Deno.statSync("/proc/thread-self/net/if_inet6");
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
