/**
 * The host's firewall, as containers need it. All that changes it must hold the network's lock (lifecycle.ts), so that only one
 * dhow command does.
 */
import { HostError } from "../../errors.ts";
import { log } from "../../log.ts";
import type { FilteredNetwork } from "../../plan/step.ts";
import type { Database } from "../../state/database.ts";
import { type Backend, chooseBackend, findBackend } from "./backend.ts";
import { afterOwnChanges, fingerprint } from "./fingerprint.ts";
import { distrustBridge, trustBridges } from "./firewalld.ts";
import { exchange, removal, repair } from "./iptables_restore.ts";
import { chainNames, portRules, tablesOf } from "./iptables_rules.ts";
import { familiesOf, type Family } from "./network.ts";
import { nftPorts, nftRemoval, nftRules } from "./nft_rules.ts";
import { changeIptables, changeNft, filterable } from "./set_rules.ts";
import { type FirewallState, isUntouched, type PortRules, readState, writeState } from "./state.ts";

/**
 * Makes a network's rules, or those that it has now in place of those that it had. Harmless when they are there.
 *
 * @param isNew whether the host has none of them for certain, and no other network of that bridge
 * @throws {HostError} when the host has no firewall, or it refuses the rules
 */
export async function applyFirewall(
  database: Database,
  network: FilteredNetwork,
  { isNew }: { isNew: boolean },
): Promise<void> {
  const { bridge } = network;
  const known = readState(database);
  const families = filterable(familiesOf(network));
  const backend = chooseBackend(known?.backend);
  const state = withBridges(known, backend, [[bridge, families]]);
  const before = fingerprint(backend);
  const isOrderly = known === undefined || isUntouched(known);
  const stays = known?.bridges[bridge] !== undefined && isOrderly;
  writeState(database, stays ? state : withTrusted(state, [bridge]));
  const ports = stays ? known.bridges[bridge]?.ports : undefined;
  const [commits, added] = await Promise.all([
    ports === undefined
      ? makeRules(backend, network, families, isNew)
      : changePorts(backend, network, families, ports),
    stays ? [] : trustBridges([bridge]),
  ]);
  const isKnown = isOrderly && added.length === 0;
  const found = isKnown ? afterOwnChanges(before, fingerprint(backend), commits) : null;
  writeState(database, { ...withPorts(withTrusted(state, added), [network]), fingerprint: found });
}

const settingUp = ({ bridge }: FilteredNetwork) => `cannot set up the firewall for ${bridge}`;

/**
 * Makes a network's rules, or makes them again.
 * @param isNew whether there are none for certain
 * @returns how many changes the kernel has made
 */
async function makeRules(
  backend: Backend,
  network: FilteredNetwork,
  families: readonly Family[],
  isNew: boolean,
): Promise<number> {
  const what = settingUp(network);
  if (backend === "nft") return await changeNft(what, nftRules(network));
  return await changeIptables(backend, families, what, async (family, saved) => {
    const tables = tablesOf(network, family);
    return isNew ? repair(tables, "") : repair(tables, await saved(), { all: true });
  });
}

/**
 * Has other ports lead into a network whose rules are in order.
 * @param written those that do
 * @returns how many changes the kernel has made
 */
async function changePorts(
  backend: Backend,
  network: FilteredNetwork,
  families: readonly Family[],
  written: PortRules,
): Promise<number> {
  const what = settingUp(network);
  try {
    if (backend === "nft") return await changeNft(what, nftPorts(network));
    const { ports } = chainNames(network.bridge);
    return await changeIptables(
      backend,
      families,
      what,
      (family) => exchange(ports, written[family] ?? [], portRules(network, family)),
    );
  } catch (error) {
    if (!(error instanceof HostError)) throw error;
    // they only seemed to be in order: rules are counted, not read
    log.debug(`${error.message}; all rules of ${network.bridge} are made again`);
    return await makeRules(backend, network, families, false);
  }
}

/**
 * Puts back what somebody has taken away of the networks' rules.
 *
 * @param networks all that are made
 * @param all also where nothing seems to have changed
 * @throws {HostError} when the firewall refuses them
 */
export async function restoreFirewall(
  database: Database,
  networks: readonly FilteredNetwork[],
  { all = false } = {},
): Promise<void> {
  const known = readState(database);
  if (networks.length === 0 || (!all && known !== undefined && isUntouched(known))) return;
  const backend = chooseBackend(known?.backend);
  const bridges = networks.map(({ bridge }) => bridge);
  const state = withBridges(
    known,
    backend,
    networks.map((network) => [network.bridge, filterable(familiesOf(network))]),
  );
  writeState(database, withTrusted(state, bridges));
  const trusted = withTrusted(state, await trustBridges(bridges));
  writeState(database, trusted);
  const before = fingerprint(backend);
  const what = "cannot put back the firewall's rules";
  const commits = backend === "nft"
    ? await changeNft(what, networks.map(nftRules).join(""))
    : await changeIptables(backend, allFamilies(trusted), what, async (family, saved) => {
      const present = await saved();
      return networks.filter((network) => familiesOf(network).includes(family))
        .map((network) => repair(tablesOf(network, family), present, { all })).join("");
    });
  const found = afterOwnChanges(before, fingerprint(backend), commits);
  writeState(database, { ...withPorts(trusted, networks), fingerprint: found });
}

/** Takes out all that was made for a bridge, as far as it is there. */
export async function removeFirewall(database: Database, bridge: string): Promise<void> {
  const known = readState(database);
  // an older dhow wrote nothing down, and had rules for one family
  const { families, isTrusted } = known === undefined
    ? { families: [4] as const, isTrusted: false }
    : known.bridges[bridge] ?? { families: [], isTrusted: false };
  const backend = known?.backend ?? findBackend();
  if (families.length === 0 || backend === undefined) return; // then nothing was ever made
  const isOrderly = known !== undefined && isUntouched(known);
  const before = fingerprint(backend);
  const [commits] = await Promise.all([
    removeRules(backend, bridge, families),
    isTrusted ? distrustBridge(bridge) : undefined,
  ]);
  const { [bridge]: _, ...bridges } = known?.bridges ?? {};
  const found = isOrderly && !isTrusted ? afterOwnChanges(before, fingerprint(backend), commits) : null;
  writeState(database, { backend, fingerprint: found, bridges });
}

async function removeRules(
  backend: Backend,
  bridge: string,
  families: readonly Family[],
): Promise<number> {
  const what = `cannot remove the firewall's rules of ${bridge}`;
  if (backend === "nft") return await changeNft(what, nftRemoval(bridge, families));
  const chains = Object.values(chainNames(bridge));
  return await changeIptables(backend, families, what, async (_, saved) => removal(chains, await saved()));
}

const allFamilies = ({ bridges }: FirewallState) => [
  ...new Set(Object.values(bridges).flatMap(({ families }) => families)),
];

/** With bridges that are there from now on, and not known to be in order. */
function withBridges(
  known: FirewallState | undefined,
  backend: Backend,
  added: readonly (readonly [bridge: string, families: readonly Family[]])[],
): FirewallState {
  const bridges = added.map(([bridge, families]) => {
    const isTrusted = known?.bridges[bridge]?.isTrusted ?? false;
    return [bridge, { families, isTrusted }];
  });
  return { backend, fingerprint: null, bridges: { ...known?.bridges, ...Object.fromEntries(bridges) } };
}

/** With the rules of ports that these networks have by now. */
function withPorts(state: FirewallState, networks: readonly FilteredNetwork[]): FirewallState {
  const written = networks.flatMap((network) => {
    const made = state.bridges[network.bridge];
    if (made === undefined) return [];
    const ports: PortRules = Object.fromEntries(
      made.families.map((family) => [family, portRules(network, family)]),
    );
    return [[network.bridge, { ...made, ports }]];
  });
  return { ...state, bridges: { ...state.bridges, ...Object.fromEntries(written) } };
}

function withTrusted(state: FirewallState, added: readonly string[]): FirewallState {
  const trusted = added.flatMap((bridge) => {
    const made = state.bridges[bridge];
    return made === undefined ? [] : [[bridge, { ...made, isTrusted: true }]];
  });
  return { ...state, bridges: { ...state.bridges, ...Object.fromEntries(trusted) } };
}
