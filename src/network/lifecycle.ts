import { join } from "@std/path";
import { hostLinks } from "../plan/links.ts";
import { findProgram, requireProgram, runIp, runIptablesRestore, runProgram } from "../plan/program.ts";
import { deleteLink } from "../plan/undo.ts";
import { stepDone } from "../plan/fault.ts";
import type { NetworkSetup } from "../plan/step.ts";
import type { Database } from "../state/database.ts";
import { readIfThere } from "../state/read.ts";
import type { Paths } from "../state/paths.ts";
import { countEndpoints, networkRow } from "./endpoints.ts";
import { removalRules } from "./rules.ts";
import { chainName } from "./steps.ts";

/** What was changed on the host for a network, as the database keeps it. Written down before it is changed. */
interface Made {
  /** Values of sysctls that dhow changed and should put back. */
  readonly sysctls: readonly { readonly path: string; readonly before: string }[];
  /** The links that the host had then, without dhow's own. */
  readonly links: readonly string[];
  /** Set last: until then a part may be missing. */
  readonly isComplete: boolean;
}

/** Holds a network still: one dhow command at a time makes or removes it. Released when the process ends. */
function withNetworkLock<T>(paths: Paths, work: () => Promise<T>): Promise<T> {
  Deno.mkdirSync(paths.run, { recursive: true, mode: 0o711 });
  const file = Deno.openSync(join(paths.run, "network.lock"), { create: true, write: true });
  file.lockSync(true);
  return work().finally(() => file.close());
}

/** @returns undefined when the kernel has no such setting, as one without IPv6 */
const readSysctl = (path: string) => readIfThere(path)?.trim();

/** Makes the bridge and the rules of a network, unless they are there. */
export async function makeNetwork(database: Database, paths: Paths, setup: NetworkSetup): Promise<void> {
  await withNetworkLock(paths, async () => {
    const row = networkRow(database, setup.name);
    const earlier = row === undefined || row.made === null ? undefined : JSON.parse(row.made) as Made;
    const links = hostLinks();
    if (earlier?.isComplete && links.includes(setup.bridge)) return;
    // looked for before anything is changed
    requireProgram("ip");
    requireProgram("iptables-restore");
    const save = (made: Made) => {
      const text = JSON.stringify(made);
      database.run("UPDATE networks SET made = ? WHERE name = ?", text, setup.name);
      stepDone();
    };
    // after a dhow that was killed half-way, or a bridge that somebody deleted, what was before is what it found
    const made = earlier ?? {
      sysctls: setup.sysctls.filter(({ path, value }) =>
        !path.includes(setup.bridge) && readSysctl(path) !== value
      ).map(({ path }) => ({ path, before: readSysctl(path) ?? "" })),
      links: links.filter((link) => !link.startsWith("veth")),
      isComplete: false,
    };
    save({ ...made, isComplete: false });
    if (earlier !== undefined) await Promise.all([deleteLink(setup.bridge), removeRules(setup.bridge)]);
    await Promise.all([
      runIp(setup.bridgeCommands, `cannot make the bridge ${setup.bridge}`),
      runIptablesRestore(setup.rules, `cannot set up NAT for ${setup.bridge}`),
    ]);
    stepDone();
    for (const { path, value } of setup.sysctls) {
      const present = readSysctl(path);
      if (present !== undefined && present !== value) Deno.writeTextFileSync(path, value);
      stepDone();
    }
    save({ ...made, isComplete: true });
  });
}

/**
 * Removes the bridge and the rules of a network that no container uses, and puts back what was changed for it.
 * Harmless when another dhow did it already.
 */
export async function removeUnusedNetwork(database: Database, paths: Paths, name: string): Promise<void> {
  await withNetworkLock(paths, async () => {
    const row = networkRow(database, name);
    if (row === undefined || row.made === null || countEndpoints(database, name) > 0) return;
    const made = JSON.parse(row.made) as Made;
    await Promise.all([deleteLink(row.bridge), removeRules(row.bridge)]);
    restoreSysctls(made, row.bridge);
    database.transaction(() => database.run("UPDATE networks SET made = NULL WHERE name = ?", name));
  });
}

/** Takes out a bridge's chains and the jumps to them, as far as they are there. */
async function removeRules(bridge: string): Promise<void> {
  const save = findProgram("iptables-save");
  if (save === undefined) return; // then no rule was ever made either
  const present = await runProgram(save, [], { what: "cannot read the firewall's rules" });
  const removal = removalRules(present, chainName(bridge));
  if (removal !== "") await runIptablesRestore(removal, `cannot remove the NAT rules of ${bridge}`);
}

/**
 * Puts sysctls back, but not under the feet of somebody else: when the host has got links since then (docker0, a VPN),
 * their owner may rely on forwarding without having had to switch it on.
 */
function restoreSysctls({ sysctls, links }: Made, bridge: string): void {
  const others = hostLinks().filter((link) => !link.startsWith("veth") && link !== bridge);
  if (others.some((link) => !links.includes(link))) return;
  for (const { path, before } of sysctls) Deno.writeTextFileSync(path, before);
}
