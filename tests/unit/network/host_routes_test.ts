import { assertEquals } from "@std/assert";
import { hasDefaultRoute, hasDefaultRoute6 } from "../../../src/network/host_routes.ts";

const HEADER = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n";
const route = (destination: string, flags: string, mask: string) =>
  `${HEADER}eth0\t${destination}\t016433C6\t${flags}\t0\t0\t0\t${mask}\t0\t0\t0\n`;

Deno.test("a default route leads to all networks, is up, and refuses nothing", () => {
  assertEquals(hasDefaultRoute(route("00000000", "0003", "00000000")), true);
  assertEquals(hasDefaultRoute(route("00000000", "0003", "00000080")), false);
  assertEquals(hasDefaultRoute(route("006433C6", "0001", "00FFFFFF")), false);
  assertEquals(hasDefaultRoute(route("00000000", "0201", "00000000")), false);
  assertEquals(hasDefaultRoute(HEADER), false);
  assertEquals(hasDefaultRoute(""), false);
});

const route6 = (destination: string, length: string, flags: string, link: string) =>
  `${destination} ${length} ${"0".repeat(32)} 00 fe80${
    "0".repeat(27)
  }1 00000400 00000001 00000000 ${flags}     ${link}\n`;

Deno.test("the same for IPv6, where the kernel has one of its own that refuses all", () => {
  const all = "0".repeat(32);
  assertEquals(hasDefaultRoute6(route6(all, "00", "00450003", "eth0")), true);
  assertEquals(hasDefaultRoute6(route6(all, "00", "00200200", "lo")), false);
  assertEquals(hasDefaultRoute6(route6(all, "00", "00200200", "eth0")), false);
  assertEquals(hasDefaultRoute6(route6(`fe80${"0".repeat(28)}`, "40", "00000001", "eth0")), false);
});
