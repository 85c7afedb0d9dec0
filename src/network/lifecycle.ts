import { HostError } from "../errors.ts";
import { hostLinks, reflectCommand } from "../plan/links.ts";
import { requireIp, runIp } from "../plan/program.ts";
import { deleteLink } from "../plan/undo.ts";
import { stepDone } from "../plan/fault.ts";
import type { FilteredNetwork, Forward, NetworkSetup } from "../plan/step.ts";
import type { Database } from "../state/database.ts";
import { readIfThere } from "../state/read.ts";
import type { Paths } from "../state/paths.ts";
import { endpointsOf, membersOf } from "./endpoints.ts";
import { chooseBackend } from "./firewall/backend.ts";
import { applyFirewall, removeFirewall, restoreFirewall } from "./firewall/firewall.ts";
import { letLoopbackPass } from "./firewall/loopback.ts";
import { isFirewallUntouched } from "./firewall/state.ts";
import { forwardsInto } from "./forwards.ts";
import { NAMED } from "./network.ts";
import { forwardsOf, portsOf } from "./published.ts";
import {
  countEndpoints,
  findNetwork,
  networkOf,
  type NetworkRow,
  networkRow,
  refuseRemoval,
} from "./records.ts";
import { withNetworkLock } from "./lock.ts";
import { networkSetup } from "./steps.ts";

/** What was changed on the host for a network, as the database keeps it. Written down before it is changed. */
interface Made {
  /** Values of sysctls that dhow changed and should put back. */
  readonly sysctls: readonly { readonly path: string; readonly before: string }[];
  /** The links that the host had then, without dhow's own. */
  readonly links: readonly string[];
  /** Set last: until then a part may be missing. */
  readonly isComplete: boolean;
}

/** @returns undefined when the kernel has no such setting, as one without IPv6 */
const readSysctl = (path: string) => readIfThere(path)?.trim();

/** Makes the bridge and the rules of a network, unless they are there. */
export async function makeNetwork(database: Database, paths: Paths, setup: NetworkSetup): Promise<void> {
  await withNetworkLock(paths, async () => {
    const row = networkRow(database, setup.name);
    const earlier = row === undefined || row.made === null ? undefined : JSON.parse(row.made) as Made;
    const links = hostLinks();
    if (earlier?.isComplete && links.includes(setup.bridge)) {
      if (setup.filtered.forwards.length > 0) await applyRules(database, row!);
      return await forgetFlows(setup.filtered.forwards, "elsewhere");
    }
    // in this order: with forwarding, what links have learned goes at once that are not told to go on
    const sysctls = [...advertisements(setup), ...setup.sysctls];
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
      sysctls: sysctls.filter(({ path, value }) => !path.includes(setup.bridge) && readSysctl(path) !== value)
        .map(({ path }) => ({ path, before: readSysctl(path) ?? "" })),
      links: foreignLinks(database),
      isComplete: false,
    };
    save({ ...made, isComplete: false });
    // that of the plan knows only one container's ports
    const { filtered } = setupOf(database, row!);
    if (earlier !== undefined) await deleteLink(setup.bridge);
    await Promise.all([
      makeBridge(database, setup),
      applyFirewall(database, filtered, { isNew: earlier === undefined }),
    ]);
    stepDone();
    for (const sysctl of sysctls) {
      writeSysctl(sysctl);
      stepDone();
    }
    letLoopbackPass(filtered);
    await forgetFlows(setup.filtered.forwards, "elsewhere");
    save({ ...made, isComplete: true });
  });
}

/** How a network is made, with the ports of all its containers. */
const setupOf = (database: Database, row: NetworkRow) =>
  networkSetup(networkOf(row), forwardsOf(database, row.name));

/** The rules of a network that is made, as its containers need them now. @returns them */
async function applyRules(database: Database, row: NetworkRow): Promise<FilteredNetwork> {
  const { filtered } = setupOf(database, row);
  await applyFirewall(database, filtered, { isNew: false });
  letLoopbackPass(filtered);
  return filtered;
}

/** Loads what that takes only for ports of UDP: see flows.ts. */
async function forgetFlows(forwards: readonly Forward[], led: "there" | "elsewhere"): Promise<void> {
  if (!forwards.some(({ protocol }) => protocol === "udp")) return;
  (await import("./flows.ts")).forgetFlows(forwards, led);
}

/**
 * Has the rules of networks be those that their containers need now.
 * @param former ways of ports that the rules no longer have
 */
export async function renewRules(
  database: Database,
  paths: Paths,
  networks: readonly string[],
  former: readonly Forward[] = [],
): Promise<void> {
  if (networks.length === 0) return;
  await withNetworkLock(paths, async () => {
    for (const name of networks) {
      const row = networkRow(database, name);
      if (row === undefined || row.made === null) continue;
      const { forwards } = await applyRules(database, row);
      await forgetFlows(forwards, "elsewhere");
    }
    await forgetFlows(former, "there");
  });
}

/**
 * Has ports of the host lead to a container no more.
 * @param networks those that have rules for that
 */
export async function unpublishPorts(
  database: Database,
  paths: Paths,
  container: string,
  networks: readonly string[],
): Promise<void> {
  const ports = portsOf(database, container);
  const endpoints = endpointsOf(database, container);
  const former = endpoints.flatMap(({ network: { name } }) => forwardsInto(name, ports, endpoints));
  await withNetworkLock(paths, async () => {
    database.run("UPDATE endpoints SET named = ? WHERE container = ?", NAMED.noMore, container);
    for (const name of networks) {
      const row = networkRow(database, name);
      if (row !== undefined && row.made !== null) await applyRules(database, row);
    }
    await forgetFlows(former, "there");
    // last: what is done anew after this was killed has to know them
    database.run("DELETE FROM published_ports WHERE container = ?", container);
  });
}

/** Makes a network's bridge, and connects the containers that have lost theirs. */
async function makeBridge(
  database: Database,
  { name, bridge, bridgeCommands, sysctls, filtered }: NetworkSetup,
): Promise<void> {
  const links = hostLinks();
  const left = membersOf(database, networkOf(networkRow(database, name)!))
    .map(({ endpoint: { link } }) => link).filter((link) => links.includes(link));
  const connect = left.flatMap((link) => [
    `link set ${link} master ${bridge} up`,
    ...(filtered.forwards.length === 0 ? [] : [reflectCommand(link)]),
  ]);
  const what = `cannot make the bridge ${bridge}`;
  const enabling = sysctls.find(({ path }) => path === `${IPV6}/${bridge}/disable_ipv6`);
  if (enabling?.value !== "0" || readSysctl(`${IPV6}/default/disable_ipv6`) !== "1") {
    return await runIp([...bridgeCommands, ...connect], what);
  }
  // a link takes no IPv6 address where that is switched off for new ones
  const [making = "", ...others] = bridgeCommands;
  await runIp([making], what);
  writeSysctl(enabling);
  await runIp([...others, ...connect], what);
}

/**
 * Changes a setting of the kernel, unless that is what it should be, or the kernel has no such setting.
 * @throws {HostError} when the host has its settings read-only, as a container of another runtime's has
 */
function writeSysctl({ path, value }: NetworkSetup["sysctls"][number]): void {
  const present = readSysctl(path);
  if (present === undefined || present === value) return;
  try {
    Deno.writeTextFileSync(path, value);
  } catch (error) {
    throw new HostError({
      what: `cannot set ${path} to ${value}`,
      why: (error as Error).message.replace(/: writefile .*$/, ""),
      hint: "mount /proc/sys writable, or run with --network none or --network host",
      cause: error,
    });
  }
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
      .map(({ name }) => setupOf(database, networkRow(database, name)!));
    const links = hostLinks();
    for (const setup of setups) {
      if (!links.includes(setup.bridge)) await makeBridge(database, setup);
      stepDone();
      setup.sysctls.forEach(writeSysctl);
      stepDone();
    }
    const filtered = setups.map((setup) => setup.filtered);
    await restoreFirewall(database, filtered, { all });
    stepDone();
    filtered.forEach(letLoopbackPass);
    await forgetFlows(filtered.flatMap(({ forwards }) => forwards), "elsewhere");
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
    await takeDown(database, row, row.made);
  });
}

/**
 * Removes a network from the host and from the records.
 * @throws {DhowError} in docker's words, when containers are in it, or every host has it
 */
export async function removeNetwork(database: Database, paths: Paths, name: string): Promise<void> {
  await withNetworkLock(paths, async () => {
    const row = findNetwork(database, name);
    refuseRemoval(database, row);
    // whoever wants to join it meanwhile waits for the lock, or finds that it has gone
    if (row.made !== null) await takeDown(database, row, row.made);
    stepDone();
    database.transaction(() => {
      refuseRemoval(database, row);
      database.run("DELETE FROM networks WHERE name = ?", row.name);
    });
  });
}

async function takeDown(database: Database, { name, bridge }: NetworkRow, text: string): Promise<void> {
  const made = JSON.parse(text) as Made;
  await Promise.all([deleteLink(bridge), removeFirewall(database, bridge)]);
  stepDone();
  const heir = database.get<{ name: string; made: string }>(
    "SELECT name, made FROM networks WHERE made IS NOT NULL AND name <> ? LIMIT 1",
    name,
  );
  if (heir === undefined) restoreSysctls(database, made);
  database.transaction(() => {
    database.run("UPDATE networks SET made = NULL WHERE name = ?", name);
    if (heir !== undefined) bequeath(database, made, heir);
  });
}

/** Another network needs what was changed for this one: the last of them puts it back. */
function bequeath(database: Database, { sysctls, links }: Made, heir: { name: string; made: string }): void {
  const own = JSON.parse(heir.made) as Made;
  const more = sysctls.filter(({ path }) => !own.sysctls.some((other) => other.path === path));
  const made: Made = {
    ...own,
    sysctls: [...own.sysctls, ...more],
    links: own.links.filter((link) => links.includes(link)),
  };
  database.run("UPDATE networks SET made = ? WHERE name = ?", JSON.stringify(made), heir.name);
}

/** The host's links without dhow's. */
function foreignLinks(database: Database): string[] {
  const bridges = database.all<{ bridge: string }>("SELECT bridge FROM networks").map(({ bridge }) => bridge);
  return hostLinks().filter((link) => !link.startsWith("veth") && !bridges.includes(link));
}

const IPV6 = "/proc/sys/net/ipv6/conf";

/**
 * A host that forwards IPv6 takes no more router advertisements, and so loses its own way out, unless each link is told otherwise
 * (ip-sysctl.rst, accept_ra: 2).
 */
function advertisements({ sysctls, bridge }: NetworkSetup): { path: string; value: string }[] {
  const forwarding = `${IPV6}/all/forwarding`;
  if (!sysctls.some(({ path }) => path === forwarding) || readSysctl(forwarding) !== "0") return [];
  return hostLinks().filter((link) => link !== bridge && link !== "lo")
    .map((link) => `${IPV6}/${link}/accept_ra`)
    .filter((path) => readSysctl(path) === "1")
    .map((path) => ({ path, value: "2" }));
}

/**
 * Puts sysctls back, but not under the feet of somebody else: when the host has got links since then (docker0, a VPN),
 * their owner may rely on forwarding without having had to switch it on.
 */
function restoreSysctls(database: Database, { sysctls, links }: Made): void {
  if (foreignLinks(database).some((link) => !links.includes(link))) return;
  // a link that has gone has taken its settings along
  for (const { path, before } of sysctls) writeSysctl({ path, value: before });
}
