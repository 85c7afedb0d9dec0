import { join } from "@std/path";
import { hostLinks } from "../plan/links.ts";
import { requireIp, runIp } from "../plan/program.ts";
import { deleteLink } from "../plan/undo.ts";
import { stepDone } from "../plan/fault.ts";
import type { NetworkSetup } from "../plan/step.ts";
import type { Database } from "../state/database.ts";
import { readIfThere } from "../state/read.ts";
import type { Paths } from "../state/paths.ts";
import { countEndpoints, networkOf, networkRow } from "./endpoints.ts";
import { chooseBackend } from "./firewall/backend.ts";
import { applyFirewall, removeFirewall, restoreFirewall } from "./firewall/firewall.ts";
import { letLoopbackPass } from "./firewall/loopback.ts";
import { isFirewallUntouched } from "./firewall/state.ts";
import { linkName, networkSetup } from "./steps.ts";

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
    requireIp();
    chooseBackend();
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
    if (earlier !== undefined) await deleteLink(setup.bridge);
    await Promise.all([
      makeBridge(database, setup),
      applyFirewall(database, setup.filtered, { isNew: earlier === undefined }),
    ]);
    stepDone();
    for (const sysctl of setup.sysctls) {
      writeSysctl(sysctl);
      stepDone();
    }
    letLoopbackPass(setup.filtered);
    save({ ...made, isComplete: true });
  });
}

/** Makes a network's bridge, and connects the containers that have lost theirs. */
async function makeBridge(database: Database, { name, bridge, bridgeCommands }: NetworkSetup): Promise<void> {
  const links = hostLinks();
  const left = database.all<{ container: string }>("SELECT container FROM endpoints WHERE network = ?", name)
    .map(({ container }) => linkName(container)).filter((link) => links.includes(link));
  const connect = left.map((link) => `link set ${link} master ${bridge} up`);
  await runIp([...bridgeCommands, ...connect], `cannot make the bridge ${bridge}`);
}

function writeSysctl({ path, value }: NetworkSetup["sysctls"][number]): void {
  const present = readSysctl(path);
  if (present !== undefined && present !== value) Deno.writeTextFileSync(path, value);
}

/**
 * Puts back what somebody has taken away of the networks that are made: bridges, rules, settings of the kernel.
 * @param all also where nothing seems to have changed
 * @returns the names of those that are made
 */
export async function restoreNetworks(
  database: Database,
  paths: Paths,
  { all = false } = {},
): Promise<string[]> {
  return await withNetworkLock(paths, async () => {
    if (!all && isFirewallUntouched(database)) return []; // another dhow has done it
    const setups = database.all<{ name: string; made: string }>(
      "SELECT name, made FROM networks WHERE made IS NOT NULL",
    ).filter(({ made }) => (JSON.parse(made) as Made).isComplete)
      .map(({ name }) => networkSetup(networkOf(networkRow(database, name)!)));
    const links = hostLinks();
    for (const setup of setups) {
      if (!links.includes(setup.bridge)) await makeBridge(database, setup);
      setup.sysctls.forEach(writeSysctl);
    }
    const filtered = setups.map((setup) => setup.filtered);
    await restoreFirewall(database, filtered, { all });
    filtered.forEach(letLoopbackPass);
    return setups.map(({ name }) => name);
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
    await Promise.all([deleteLink(row.bridge), removeFirewall(database, row.bridge)]);
    restoreSysctls(made, row.bridge);
    database.transaction(() => database.run("UPDATE networks SET made = NULL WHERE name = ?", name));
  });
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
