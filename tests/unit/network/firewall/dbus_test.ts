import { assertEquals, assertThrows } from "@std/assert";
import { BusError, decodeAnswer, encodeCall, messageSize } from "../../../../src/network/firewall/dbus.ts";

const METHOD = { destination: "a.b", path: "/a/b", interface: "a.b.c", member: "get" };

const text = (bytes: Uint8Array) => String.fromCharCode(...bytes);
const hex = (digits: string) => Uint8Array.from(digits.match(/../g) ?? [], (pair) => parseInt(pair, 16));

/** What a bus sent: a return of a text, an error with one, and the signal NameAcquired. */
const RETURN = hex(
  "6c02010109000000070000002d0000000601730005000000" +
    "3a312e3131000000050175000200000008016700017300000701730004000000" +
    "3a312e30000000000400000068 6f6d6500".replaceAll(" ", ""),
);

Deno.test("a call is laid out as the specification has it", () => {
  const message = encodeCall(METHOD, 7, ["trusted", "dhow0"]);
  assertEquals(messageSize(message), message.length);
  assertEquals([...message.slice(0, 4)], ["l".charCodeAt(0), 1, 2, 1]);
  const view = new DataView(message.buffer);
  const body = "\x07\0\0\0trusted\0\x05\0\0\0dhow0\0";
  assertEquals([view.getUint32(4, true), view.getUint32(8, true)], [body.length, 7]);
  assertEquals(text(message.slice(-body.length)), body);
  const fields = text(message.slice(16, 16 + view.getUint32(12, true)));
  assertEquals(
    fields,
    "\x01\x01o\0\x04\0\0\0/a/b\0\0\0\0" + "\x02\x01s\0\x05\0\0\0a.b.c\0\0\0" +
      "\x03\x01s\0\x03\0\0\0get\0\0\0\0\0" +
      "\x06\x01s\0\x03\0\0\0a.b\0\0\0\0\0" + "\x08\x01g\0\x02ss\0",
  );
});

Deno.test("an answer is told from what else comes, and its text is read", () => {
  assertEquals(decodeAnswer(RETURN), { to: 2, error: undefined, text: "home" });
  const signal = RETURN.slice();
  signal[1] = 4;
  assertEquals(decodeAnswer(signal), undefined);
});

Deno.test("a message that is not as the specification has it is refused", () => {
  const other = encodeCall(METHOD, 1, []);
  other[0] = "B".charCodeAt(0);
  assertThrows(() => messageSize(other), BusError, "byte order");
  const huge = encodeCall(METHOD, 1, []);
  new DataView(huge.buffer).setUint32(4, 2 ** 31, true);
  assertThrows(() => messageSize(huge), BusError, "bytes");
});
