import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  encodeAddress4,
  encodeAddress6,
  encodeName,
  reverseName,
} from "../../../../src/network/names/wire.ts";
import { zoneFiles } from "../../../../src/network/names/zone.ts";
import { LONGEST_ANSWER } from "../../../../src/plan/names/layout.ts";

const hex = (bytes: Uint8Array | undefined) =>
  bytes && Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

const counts = (files: ReadonlyMap<string, Uint8Array>) =>
  Object.fromEntries([...files].map(([name, bytes]) => [name, bytes[0]! * 256 + bytes[1]!]));

Deno.test("a container has files for each of its names, alone and with the network's, and for its addresses", () => {
  const files = zoneFiles("net", [{ names: ["Web", "www"], address: "100.100.1.5", address6: "fd00::5" }]);
  const six = `5.${"0.".repeat(27)}0.0.d.f.ip6.arpa`;
  assertEquals(counts(files), {
    "web.0": 0,
    "web.1": 1,
    "web.28": 1,
    "web.net.0": 0,
    "web.net.1": 1,
    "web.net.28": 1,
    "www.0": 0,
    "www.1": 1,
    "www.28": 1,
    "www.net.0": 0,
    "www.net.1": 1,
    "www.net.28": 1,
    "5.1.100.100.in-addr.arpa.0": 0,
    "5.1.100.100.in-addr.arpa.12": 1,
    [`${six}.0`]: 0,
    [`${six}.12`]: 1,
  });
  // count; pointer, type, class, TTL, length, address
  assertEquals(hex(files.get("web.1")), "0001" + "c00c" + "0001" + "0001" + "00000002" + "0004" + "64640105");
  assertEquals(
    hex(files.get("5.1.100.100.in-addr.arpa.12"))?.slice(24),
    "0009" + "03776562" + "036e6574" + "00",
  );
});

Deno.test("what several containers share has all their addresses, each once, and as many as fit into 512 bytes", () => {
  const endpoints = (count: number) =>
    Array.from({ length: count }, (_, index) => ({ names: ["app"], address: `10.0.0.${index + 1}` }));
  assertEquals(counts(zoneFiles("n", [...endpoints(3), ...endpoints(2)]))["app.1"], 3);
  const full = zoneFiles("n", endpoints(200));
  const bytes = full.get("app.1")!;
  assertEquals(bytes[1], Math.floor((512 - 12 - 4 - 11 - 5) / 16));
  for (const each of full.values()) assert(each.length <= LONGEST_ANSWER + 2);
});

Deno.test("a name that cannot be one in DNS has no file, and no name leads out of the folder", () => {
  const label = "a".repeat(63);
  const longest = `${label}.${label}.${label}.${"a".repeat(61)}`;
  const names = ["ok", "..", ".", "", "a..b", "../x", "a/b", "a b", "é", `${label}a`, longest, ".new", "a\0"];
  const files = zoneFiles("n", [{ names, address: "10.0.0.1" }]);
  const known = [...files.keys()].filter((name) => name.endsWith(".1"));
  assertEquals(known, ["ok.1", "ok.n.1"]);
  for (const name of files.keys()) assert(/^[a-z0-9_-][a-z0-9._-]*$/.test(name) && name.length <= 255, name);
});

Deno.test("a name that looks like another one's file is another file", () => {
  const files = zoneFiles("n", [{ names: ["web"], address: "10.0.0.1" }, {
    names: ["web.1"],
    address: "10.0.0.2",
  }]);
  assertEquals(hex(files.get("web.1"))?.slice(-8), "0a000001");
  assertEquals(hex(files.get("web.1.1"))?.slice(-8), "0a000002");
});

Deno.test("what is no address is an error", () => {
  assertThrows(() => zoneFiles("n", [{ names: ["a"], address: "10.0.0" }]), RangeError, '"10.0.0"');
  assertThrows(() => zoneFiles("n", [{ names: ["a"], address6: "10.0.0.1" }]), RangeError);
});

Deno.test("IPv6 addresses are read in all their forms", () => {
  const whole = "20010db8000000000000000000000001";
  assertEquals(hex(encodeAddress6("2001:db8::1")), whole);
  assertEquals(hex(encodeAddress6("2001:DB8:0:0:0:0:0:1")), whole);
  assertEquals(hex(encodeAddress6("::")), "0".repeat(32));
  assertEquals(hex(encodeAddress6("::ffff:10.0.0.1")), `${"0".repeat(20)}ffff0a000001`);
  assertEquals(hex(encodeAddress6("1:2:3:4:5:6:7::")), "00010002000300040005000600070000");
  for (
    const wrong of [
      "",
      ":",
      ":::",
      "1::2::3",
      "1:2:3:4:5:6:7",
      "1:2:3:4:5:6:7:8:9",
      "12345::",
      "g::",
      "::1%lo",
    ]
  ) {
    assertEquals(encodeAddress6(wrong), undefined, wrong);
  }
  for (const wrong of ["1.2.3", "1.2.3.256", "1.2.3.4.5", "a.b.c.d", " 1.2.3.4"]) {
    assertEquals(encodeAddress4(wrong), undefined, wrong);
  }
});

Deno.test("names are written as labels with their lengths, up to 255 bytes", () => {
  assertEquals(hex(encodeName("ab.c")), "026162016300");
  const label = "a".repeat(63);
  assertEquals(encodeName(`${label}.${label}.${label}.${"a".repeat(61)}`)?.length, 255);
  assertEquals(encodeName(`${label}.${label}.${label}.${"a".repeat(62)}`), undefined);
  assertEquals(reverseName(Uint8Array.of(10, 0, 0, 1)), "1.0.0.10.in-addr.arpa");
});
