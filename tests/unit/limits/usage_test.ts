import { assertEquals } from "@std/assert";
import { traffic } from "../../../src/limits/usage.ts";

Deno.test("traffic is that of all interfaces but the loopback", () => {
  const text = [
    "Inter-|   Receive                                                |  Transmit",
    " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed",
    "    lo:    9000      10    0    0    0     0          0         0     9000      10    0    0    0     0       0          0",
    "  eth0:    1000       1    0    0    0     0          0         0      200       2    0    0    0     0       0          0",
    "  eth1:500 1 0 0 0 0 0 0 60 1 0 0 0 0 0 0",
    "",
  ].join("\n");
  assertEquals(traffic(text), { received: 1500, sent: 260 });
});

Deno.test("without interfaces there is no traffic", () => {
  assertEquals(traffic(""), { received: 0, sent: 0 });
});
