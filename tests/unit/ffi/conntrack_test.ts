import { assertEquals } from "@std/assert";
import { readFlows } from "../../../ffi/conntrack.ts";

const NEW_FLOW = 0x100; // NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_NEW
const ERROR = 2;
const DONE = 3;

const bytesOf = (hex: string) =>
  Uint8Array.from(hex.replaceAll(" ", "").match(/../g) ?? [], (digits) => parseInt(digits, 16));

/** A message of netlink(7): struct nlmsghdr, and what follows it, in hexadecimal digits. */
function message(type: number, hex: string): Uint8Array {
  const content = bytesOf(hex);
  const bytes = new Uint8Array(16 + content.length);
  const fields = new DataView(bytes.buffer);
  fields.setUint32(0, bytes.length, true);
  fields.setUint16(4, type, true);
  bytes.set(content, 16);
  return bytes;
}

// as the kernel has told them: a nfgenmsg, CTA_TUPLE_ORIG, CTA_TUPLE_REPLY, CTA_ID
const FOUR = "02000000";
const SIX = "0a000000";
const ORIGINAL =
  "34000180 14000180 08000100c6336402 08000200c6336402 1c000280 0500010011000000 06000200de090000 0600030014e90000";
const REPLY =
  "34000280 14000180 0800010064640102 08000200c6336402 1c000280 0500010011000000 0600020000350000 06000300de090000";
const ID = "08000c00f33001f8";
const ADDRESSES6 =
  "2c000180 14000300fd00000000000000000000000000000a 14000400fd00000000000000000000000000000b";
const PORTS6 = "1c000280 0500010011000000 06000200cc6a0000 0600030014e90000";

Deno.test("a flow is read from what the kernel tells of it, with what it is deleted by", () => {
  const { flows, error, isLast } = readFlows(message(NEW_FLOW, FOUR + ORIGINAL + REPLY + ID));
  assertEquals([error, isLast], [0, false]);
  assertEquals(flows, [{
    family: 4,
    original: {
      source: Uint8Array.of(198, 51, 100, 2),
      destination: Uint8Array.of(198, 51, 100, 2),
      sourcePort: 0xde09,
      destinationPort: 5353,
    },
    reply: {
      source: Uint8Array.of(100, 100, 1, 2),
      destination: Uint8Array.of(198, 51, 100, 2),
      sourcePort: 53,
      destinationPort: 0xde09,
    },
    key: bytesOf(ORIGINAL + ID),
  }]);
});

Deno.test("a flow of IPv6 is read as well", () => {
  const tuple = (number: string) => `4c00${number}80 ${ADDRESSES6} ${PORTS6}`;
  const { flows } = readFlows(message(NEW_FLOW, SIX + tuple("01") + tuple("02")));
  assertEquals(
    flows.map(({ family, original }) => [family, original.destination.at(-1), original.destinationPort]),
    [
      [6, 0x0b, 5353],
    ],
  );
});

Deno.test("several messages are read to the last, and an error is told", () => {
  const flow = message(NEW_FLOW, FOUR + ORIGINAL + REPLY + ID);
  const joined = (...parts: Uint8Array[]) => Uint8Array.from(parts.flatMap((part) => [...part]));
  const { flows, ...end } = readFlows(joined(flow, flow, message(DONE, "00000000")));
  assertEquals([flows.length, end], [2, { error: 0, isLast: true }]);
  assertEquals(readFlows(message(ERROR, "eaffffff")), { flows: [], error: 22, isLast: true });
  assertEquals(readFlows(message(DONE, "eaffffff")), { flows: [], error: 22, isLast: true });
});

Deno.test("what is cut off, or lacks something, is no flow", () => {
  const whole = FOUR + ORIGINAL + REPLY + ID;
  for (let size = 0; size < bytesOf(FOUR + ORIGINAL + REPLY).length; size++) {
    const hex = whole.replaceAll(" ", "").slice(0, 2 * size);
    assertEquals(readFlows(message(NEW_FLOW, hex)).flows, [], `${size} bytes`);
  }
  const tcp = whole.replaceAll("0500010011", "0500010006");
  assertEquals(readFlows(message(NEW_FLOW, tcp)).flows, []);
  const bytes = message(NEW_FLOW, whole);
  assertEquals(readFlows(bytes.subarray(0, bytes.length - 1)).flows, []);
});
