/** What lists and inspect tell of networks (docker's cli/command/formatter/network.go, api/types NetworkResource). */
import { membersOf } from "../../network/endpoints.ts";
import { DEFAULT_NETWORK, PREDEFINED } from "../../network/network.ts";
import { configOf, countEndpoints, isPredefined, networkOf, type NetworkRow } from "../../network/records.ts";
import { formatAddress, gatewayOf, parseSubnet } from "../../network/subnet.ts";
import type { Database } from "../../state/database.ts";
import { formatTime } from "../format/time.ts";
import type { Listing, Row } from "../format/listing.ts";
import { type Filters, flagFilter, matchesName } from "../image/filters.ts";
import { hasLabel, labelOf } from "../labels.ts";
import { type Field, GoMap, List, Nil, Struct, Text, type Value } from "../template/value.ts";

const SHORT_ID = 12;

export const NETWORKS: Listing = {
  type: "*formatter.networkContext",
  headers: {
    ID: "NETWORK ID",
    Name: "NAME",
    Driver: "DRIVER",
    Scope: "SCOPE",
    IPv6: "IPV6",
    Internal: "INTERNAL",
    Labels: "LABELS",
    CreatedAt: "CREATED AT",
  },
};

export const driverOf = (row: NetworkRow) =>
  isPredefined(row.name) ? PREDEFINED[row.name]! : configOf(row).driver;

export function networkListRow(row: NetworkRow, truncate: boolean): Row {
  const { internal, labels, subnet6 } = configOf(row);
  return {
    fields: {
      ID: () => truncate ? row.id.slice(0, SHORT_ID) : row.id,
      Name: () => row.name,
      Driver: () => driverOf(row),
      Scope: () => "local",
      IPv6: () => String(subnet6 !== undefined),
      Internal: () => String(internal),
      Labels: () => Object.entries(labels).map(([key, value]) => `${key}=${value}`).join(","),
      CreatedAt: () => formatTime(row.created),
    },
    methods: { Label: { arity: 1, call: (key: string) => labelOf(labels, key) ?? "" } },
  };
}

export const NETWORK_FILTERS = ["dangling", "driver", "id", "label", "name", "scope", "type"];

/** The networks that fit: of each filter one value, of labels all. */
export function filterNetworks(
  database: Database,
  rows: readonly NetworkRow[],
  filters: Filters,
): NetworkRow[] {
  const isDangling = flagFilter(filters, "dangling");
  const fits = (name: string, test: (value: string) => boolean) => filters.get(name)?.some(test) ?? true;
  return rows.filter((row) =>
    (isDangling === undefined ||
      isDangling === (!isPredefined(row.name) && countEndpoints(database, row.name) === 0)) &&
    fits("driver", (value) => driverOf(row) === value) &&
    fits("id", (value) => row.id.startsWith(value)) &&
    fits("name", (value) => matchesName(row.name, value)) &&
    fits("scope", (value) => value === "local") &&
    fits("type", (value) => value === (isPredefined(row.name) ? "builtin" : "custom")) &&
    (filters.get("label") ?? []).every((label) => hasLabel(configOf(row).labels, label))
  );
}

const plain = (type: string, values: Readonly<Record<string, Value>>) =>
  new Struct(type, Object.entries(values).map(([name, value]): Field => ({ name, value })));

const texts = (map: Readonly<Record<string, string>>) =>
  new GoMap(new Map<string, Value>(Object.entries(map)));

/** What there is to know of a network. */
export function describeNetwork(database: Database, row: NetworkRow): Struct {
  const config = configOf(row);
  return plain("types.NetworkResource", {
    Name: row.name,
    Id: row.id,
    Created: new Text("time.Time", formatTime(row.created), new Date(row.created).toISOString()),
    Scope: "local",
    Driver: driverOf(row),
    EnableIPv6: config.subnet6 !== undefined,
    IPAM: plain("network.IPAM", {
      Driver: "default",
      Options: isPredefined(row.name) ? new Nil("map[string]string") : texts({}),
      Config: new List(describeRanges(row), "[]network.IPAMConfig"),
    }),
    Internal: config.internal,
    Attachable: config.attachable ?? false,
    Ingress: false,
    ConfigFrom: plain("network.ConfigReference", { Network: "" }),
    ConfigOnly: false,
    Containers: new GoMap(describeMembers(database, row), "map[string]types.EndpointResource"),
    Options: texts({ ...config.options, ...ownOptions(row) }),
    Labels: texts(config.labels),
  });
}

/** docker tells in the same way what its bridge is called. */
function ownOptions({ name, bridge }: NetworkRow): Record<string, string> {
  return name === DEFAULT_NETWORK && bridge !== "" ? { "com.docker.network.bridge.name": bridge } : {};
}

function describeRanges(row: NetworkRow): Struct[] {
  if (row.subnet === "") return [];
  const { gateway, range, subnet6, gateway6, range6, reserved = {} } = configOf(row);
  const one = (
    subnet: string,
    ipRange: string | undefined,
    gatewayAddress: string,
    family: (text: string) => boolean,
  ) => {
    const auxiliary = Object.entries(reserved).filter(([, address]) => family(address));
    return new Struct("network.IPAMConfig", [
      { name: "Subnet", value: subnet },
      { name: "IPRange", value: ipRange ?? "", omitEmpty: true },
      { name: "Gateway", value: gatewayAddress },
      ...(auxiliary.length === 0
        ? []
        : [{ name: "AuxAddress", json: "AuxiliaryAddresses", value: texts(Object.fromEntries(auxiliary)) }]),
    ]);
  };
  const isSix = (text: string) => text.includes(":");
  return [
    one(
      row.subnet,
      range,
      gateway ?? formatAddress(gatewayOf(parseSubnet(row.subnet))),
      (text) => !isSix(text),
    ),
    ...(subnet6 === undefined ? [] : [one(subnet6, range6, gateway6 ?? "", isSix)]),
  ];
}

function describeMembers(database: Database, row: NetworkRow): Map<string, Value> {
  if (row.subnet === "") return new Map();
  const network = networkOf(row);
  return new Map(
    membersOf(database, network).map(({ container, endpoint: { address, address6, hardwareAddress } }) => {
      const name = database.get<{ name: string }>("SELECT name FROM containers WHERE id = ?", container)
        ?.name;
      return [
        container,
        plain("types.EndpointResource", {
          Name: name ?? "",
          EndpointID: container,
          MacAddress: hardwareAddress,
          IPv4Address: `${formatAddress(address)}/${network.subnet.prefix}`,
          IPv6Address: address6 === undefined ? "" : `${address6}/${network.six?.prefix}`,
        }),
      ];
    }),
  );
}
