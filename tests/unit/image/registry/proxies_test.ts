import { assertEquals } from "@std/assert";
import { spareLoopback } from "../../../../src/image/registry/proxies.ts";

const LOOPBACK = "localhost,127.0.0.0/8,::1";

for (
  const [what, before, after] of [
    ["nothing is set", {}, LOOPBACK],
    ["others are spared", { NO_PROXY: "a.example,.b" }, `a.example,.b,${LOOPBACK}`],
    ["others are spared in small letters", { no_proxy: "a.example" }, `a.example,${LOOPBACK}`],
    ["both are set", { NO_PROXY: "a.example", no_proxy: "b.example" }, `a.example,${LOOPBACK}`],
    ["it was done before", { NO_PROXY: LOOPBACK }, LOOPBACK],
  ] as const
) {
  Deno.test(`this machine is reached without a proxy when ${what}`, () => {
    const environment = new Map<string, string>(Object.entries(before));
    spareLoopback(environment);
    assertEquals(environment.get("NO_PROXY"), after);
  });
}
