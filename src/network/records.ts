/** Networks as the database keeps them. */
import { DhowError } from "../errors.ts";
import type { Database } from "../state/database.ts";
import { type Network, type NetworkConfig, PREDEFINED } from "./network.ts";
import { readDriverOptions } from "./options.ts";
import { gatewayOf, parseAddress, parseSubnet } from "./subnet.ts";

export interface NetworkRow {
  readonly name: string;
  /** 64 hexadecimal digits, as docker's. */
  readonly id: string;
  readonly bridge: string;
  /** Empty while none is chosen. */
  readonly subnet: string;
  readonly last_address: number;
  readonly made: string | null;
  /** NetworkConfig as JSON; NULL for those that each host has. */
  readonly config: string | null;
  /** In milliseconds since 1970. */
  readonly created: number;
}

/** What the default network is like. */
const DEFAULT_CONFIG: NetworkConfig = { driver: "bridge", internal: false, options: {}, labels: {} };

export const isPredefined = (name: string) => Object.hasOwn(PREDEFINED, name);

export function configOf({ config }: Pick<NetworkRow, "config">): NetworkConfig {
  return config === null ? DEFAULT_CONFIG : JSON.parse(config) as NetworkConfig;
}

/** A network whose range is settled. */
export function networkOf(row: NetworkRow): Network {
  const { name, bridge } = row;
  const { driver, gateway, subnet6, gateway6, internal, options } = configOf(row);
  const subnet = parseSubnet(row.subnet);
  const { parent, ...others } = readDriverOptions(
    driver,
    options,
    (why) => new DhowError({ what: name, why }),
  );
  return {
    name,
    driver,
    bridge: parent ?? bridge,
    subnet,
    gateway: gateway === undefined ? gatewayOf(subnet) : parseAddress(gateway)!,
    ...(subnet6 === undefined ? {} : {
      six: { subnet: subnet6, prefix: Number(subnet6.split("/")[1]), gateway: gateway6! },
    }),
    internal,
    ...others,
  };
}

export function networkRow(database: Database, name: string): NetworkRow | undefined {
  return database.get<NetworkRow>("SELECT * FROM networks WHERE name = ?", name);
}

/** All networks, by their names. */
export function networkRows(database: Database): NetworkRow[] {
  return database.all<NetworkRow>("SELECT * FROM networks ORDER BY name");
}

/**
 * The network that a user means: by its name, its id, or the start of its id.
 * @throws {DhowError} in docker's words, when there is none, or there are several
 */
export function findNetwork(database: Database, wanted: string): NetworkRow {
  const found = seekNetwork(database, wanted);
  if (found === undefined) throw noSuchNetwork(wanted);
  return found;
}

/** The same; undefined when there is none. */
export function seekNetwork(database: Database, wanted: string): NetworkRow | undefined {
  const sql = "SELECT * FROM networks WHERE name = ? OR id = ? ORDER BY name = ? DESC";
  const exact = database.get<NetworkRow>(sql, wanted, wanted, wanted);
  if (exact !== undefined || !/^[0-9a-f]{1,63}$/.test(wanted)) return exact;
  const [found, second] = database.all<NetworkRow>(
    "SELECT * FROM networks WHERE id BETWEEN ? AND ? LIMIT 2",
    wanted,
    `${wanted}g`,
  );
  if (second !== undefined) {
    throw new DhowError({ what: `network ${wanted} is ambiguous`, why: "several ids begin like that" });
  }
  return found;
}

/** In docker's words. */
export function noSuchNetwork(wanted: string): DhowError {
  return new DhowError({
    what: `network ${wanted} not found`,
    why: "there is none of that name or id",
    hint: "see: dhow network ls",
  });
}

/** The networks in which a container has its places now. */
export function networksOf(database: Database, container: string): string[] {
  const sql = "SELECT network FROM endpoints WHERE container = ? ORDER BY number";
  return database.all<{ network: string }>(sql, container).map(({ network }) => network);
}

/** How many containers use a network, or are about to. */
export function countEndpoints(database: Database, network: string): number {
  return database.get<{ n: number }>("SELECT count(*) AS n FROM endpoints WHERE network = ?", network)?.n ??
    0;
}

/**
 * Refuses to have a network removed that is needed.
 * @throws {DhowError} in docker's words
 */
export function refuseRemoval(database: Database, { name, id }: NetworkRow): void {
  if (isPredefined(name)) {
    throw new DhowError({
      what: `${name} is a pre-defined network and cannot be removed`,
      why: "every host has it",
    });
  }
  const count = countEndpoints(database, name);
  if (count > 0) {
    throw new DhowError({
      what: `error while removing network`,
      why: `network ${name} id ${id} has active endpoints`,
      hint: `end its ${count} containers, or have them leave it: dhow network disconnect ${name} CONTAINER`,
    });
  }
}
