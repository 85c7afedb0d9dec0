import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { HostError, TakenError, UsageError } from "../../../src/errors.ts";
import { allocateEndpoint } from "../../../src/network/endpoints.ts";
import { DEFAULT_NETWORK } from "../../../src/network/network.ts";
import { countEndpoints } from "../../../src/network/records.ts";
import { contains, formatAddress, gatewayOf, lastOf } from "../../../src/network/subnet.ts";
import type { Database } from "../../../src/state/database.ts";
import { addContainer, TemporaryState } from "../state/temporary.ts";
import { askWorkers } from "../state/workers.ts";

/** A network that is made already, so that this machine's own routes and links do not matter. */
function addNetwork(database: Database, subnet: string): void {
  database.run(
    "UPDATE networks SET bridge = 'dhow7', subnet = ?, made = '{}' WHERE name = ?",
    subnet,
    DEFAULT_NETWORK,
  );
}

/** Registers a container and takes an address for it, in one transaction, as run does. */
function take(database: Database, id: string, wanted?: string): string {
  return database.transaction(() => {
    addContainer(database, id);
    return formatAddress(allocateEndpoint(database, id, wanted, () => {}).address);
  });
}

function release(database: Database, id: string): void {
  database.run("DELETE FROM containers WHERE id = ?", id);
}

function start(subnet = "10.9.8.0/29"): TemporaryState & { database: Database } {
  const state = new TemporaryState();
  const database = state.open();
  addNetwork(database, subnet);
  return Object.assign(state, { database });
}

Deno.test("each container gets an address of its own, on the bridge that is there", () => {
  using state = start();
  const { database } = state;
  assertEquals(["a", "b", "c"].map((id) => take(database, id)), ["10.9.8.2", "10.9.8.3", "10.9.8.4"]);
  addContainer(database, "d");
  const endpoint = allocateEndpoint(database, "d", undefined, () => {});
  assertEquals(endpoint.network.bridge, "dhow7");
  assertEquals(countEndpoints(database, DEFAULT_NETWORK), 4);
});

Deno.test("a freed address is the last to be given again, even to a later command", () => {
  using state = start();
  const taken = [];
  for (const id of ["a", "b", "c", "d", "e", "f"]) {
    const database = state.open();
    taken.push(take(database, id));
    release(database, id);
  }
  assertEquals(taken, ["10.9.8.2", "10.9.8.3", "10.9.8.4", "10.9.8.5", "10.9.8.6", "10.9.8.2"]);
});

Deno.test("--ip gives the address that was asked for, and no other container gets it", () => {
  using state = start();
  const { database } = state;
  assertEquals(take(database, "a", "10.9.8.5"), "10.9.8.5");
  const others = ["b", "c", "d", "e"].map((id) => take(database, id));
  assertEquals(others.toSorted(), ["10.9.8.2", "10.9.8.3", "10.9.8.4", "10.9.8.6"]);
});

Deno.test("--ip refuses an address that another container has", () => {
  using state = start();
  take(state.database, "a", "10.9.8.5");
  assertThrows(() => take(state.database, "b", "10.9.8.5"), TakenError, "10.9.8.5");
});

for (
  const [wanted, reason] of [
    ["10.9.8.0", "is the network's own address"],
    ["10.9.8.1", "is the bridge's address"],
    ["10.9.8.7", "is the broadcast address"],
    ["10.9.9.2", "is outside of the range"],
    ["10.9.8", "is no address"],
    ["", "is no address"],
    ["::1", "is no IPv4 address"],
    ["10.9.8.3\n", "has something after the address"],
  ] as const
) {
  Deno.test(`--ip refuses ${JSON.stringify(wanted)}, which ${reason}, and says what there is`, () => {
    using state = start();
    const error = assertThrows(() => take(state.database, "a", wanted), UsageError, JSON.stringify(wanted));
    assertMatch(error.message, /10\.9\.8\.2 to 10\.9\.8\.6/);
  });
}

Deno.test("when all addresses are taken the next container is refused, and one that ends makes room", () => {
  using state = start();
  const { database } = state;
  for (const id of ["a", "b", "c", "d", "e"]) take(database, id);
  assertThrows(() => take(database, "f"), HostError, "10.9.8.0/29");
  release(database, "c");
  assertEquals(take(database, "g"), "10.9.8.4");
});

Deno.test("a container that could not be registered holds neither a name nor an address", () => {
  using state = start();
  const { database } = state;
  assertThrows(() =>
    database.transaction(() => {
      addContainer(database, "a");
      allocateEndpoint(database, "a", "10.9.8.3", () => {});
      throw new RangeError("the plan could not be made");
    }), RangeError);
  assertEquals(countEndpoints(database, DEFAULT_NETWORK), 0);
  assertEquals(take(database, "a", "10.9.8.3"), "10.9.8.3");
});

Deno.test("a network that nobody uses is chosen anew, within what is usable", () => {
  using state = new TemporaryState();
  const database = state.open();
  addContainer(database, "a");
  const { network, address, link } = database.transaction(() =>
    allocateEndpoint(database, "a", undefined, () => {})
  );
  assert(contains(network.subnet, address));
  assert(address > gatewayOf(network.subnet) && address < lastOf(network.subnet));
  assertEquals(link, "vetha");
  const links = Deno.readTextFileSync("/proc/net/dev");
  assert(!links.includes(` ${network.bridge}:`), "the bridge's name must not be one that the host has");
});

Deno.test("commands that run at once never get the same address", async () => {
  using state = start("10.9.0.0/20");
  const messages = [0, 1, 2].map((batch) => ({
    paths: state.paths,
    ids: Array.from({ length: 15 }, (_, index) => `${batch}-${index}`),
  }));
  const module = import.meta.resolve("./allocating_worker.ts");
  const addresses = (await askWorkers<number[]>(module, messages)).flat();
  assertEquals(addresses.length, 45);
  assertEquals(new Set(addresses).size, 45);
});
