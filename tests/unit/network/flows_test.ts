import { assertEquals } from "@std/assert";
import type { Flow } from "../../../ffi/conntrack.ts";
import { canonical, goes } from "../../../src/network/flows.ts";
import { encodeAddress4, encodeAddress6 } from "../../../src/network/names/wire.ts";
import type { Forward } from "../../../src/plan/step.ts";

const bytesOf = (address: string) => (address.includes(":") ? encodeAddress6 : encodeAddress4)(address)!;

/** A flow to a port of an address, whose answers come from another. */
function flow(to: string, port: number, answers: string, answersPort: number): Flow {
  const client = bytesOf(to.includes(":") ? "fd00:2::9" : "192.0.2.9");
  return {
    family: to.includes(":") ? 6 : 4,
    original: { source: client, destination: bytesOf(to), sourcePort: 40000, destinationPort: port },
    reply: {
      source: bytesOf(answers),
      destination: client,
      sourcePort: answersPort,
      destinationPort: 40000,
    },
    key: new Uint8Array(),
  };
}

const forward = (parts: Partial<Forward>): Forward => ({
  protocol: "udp",
  hostIp: "",
  hostPort: 5353,
  address: "100.100.1.2",
  containerPort: 53,
  ...parts,
});

const LOCAL = new Set(["192.0.2.1", "fd00:2::1"].map(canonical));
const SIX = { address: "fd00:1::2" };
const [HOST, HOST6] = ["192.0.2.1", "fd00:2::1"];

const CASES: readonly [what: string, Flow, Partial<Forward>, found: "there" | "elsewhere" | "no business"][] =
  [
    ["a flow that it leads", flow(HOST, 5353, "100.100.1.2", 53), {}, "there"],
    ["a flow that is not translated", flow(HOST, 5353, HOST, 5353), {}, "elsewhere"],
    ["a flow to another container", flow(HOST, 5353, "100.100.1.3", 53), {}, "elsewhere"],
    ["a flow to another port of the container", flow(HOST, 5353, "100.100.1.2", 54), {}, "elsewhere"],
    ["a flow by the host's loopback", flow("127.0.0.1", 5353, "127.0.0.1", 5353), {}, "elsewhere"],
    ["a flow to another host", flow("192.0.2.53", 5353, "192.0.2.53", 5353), {}, "no business"],
    ["a flow to another port of the host", flow(HOST, 53, HOST, 53), {}, "no business"],
    ["a flow to the address it is bound to", flow(HOST, 5353, HOST, 5353), { hostIp: HOST }, "elsewhere"],
    [
      "a flow to another address than it is bound to",
      flow("127.0.0.1", 5353, "127.0.0.1", 5353),
      { hostIp: HOST },
      "no business",
    ],
    ["a flow of IPv6 that it leads", flow(HOST6, 5353, "fd00:1::2", 53), SIX, "there"],
    ["a flow of IPv6 to another container", flow(HOST6, 5353, "fd00:1::3", 53), SIX, "elsewhere"],
    ["a flow of IPv6 to another host", flow("fd00:2::2", 5353, "fd00:2::2", 5353), SIX, "no business"],
    [
      "a flow of IPv6 to the address it is bound to",
      flow(HOST6, 5353, HOST6, 5353),
      { ...SIX, hostIp: "fd00:2:0::1" },
      "elsewhere",
    ],
  ];

for (const [what, one, published, found] of CASES) {
  Deno.test(`to a published port, ${what}: ${found}`, () => {
    for (const led of ["there", "elsewhere"] as const) {
      assertEquals(goes(one, [forward(published)], LOCAL, led), led === found, led);
    }
  });
}
