import { assertEquals, assertThrows } from "@std/assert";
import { mergeLimits } from "../../../src/container/update.ts";
import { DhowError } from "../../../src/errors.ts";
import type { Limits } from "../../../src/limits/limits.ts";

Deno.test("an update changes what it says, and leaves the rest", () => {
  assertEquals(mergeLimits("id", { memory: 1, memorySwap: 9, cpuShares: 5 }, { memory: 3, pidsLimit: 0 }), {
    memory: 3,
    memorySwap: 9,
    cpuShares: 5,
    pidsLimit: 0,
  });
});

for (
  const [current, given, why] of [
    [{ cpuPeriod: 5 }, { nanoCpus: 5 }, "Nano CPUs cannot be updated as CPU Period has already been set"],
    [{ cpuQuota: 5 }, { nanoCpus: 5 }, "Nano CPUs cannot be updated as CPU Quota has already been set"],
    [{ nanoCpus: 5 }, { cpuPeriod: 5 }, "CPU Period cannot be updated as NanoCPUs has already been set"],
    [{ nanoCpus: 5 }, { cpuQuota: 5 }, "CPU Quota cannot be updated as NanoCPUs has already been set"],
    [{}, { memory: 5 }, "Memory limit should be smaller than already set memoryswap limit"],
    [{ memorySwap: -1 }, { memory: 5 }, "Memory limit should be smaller than already set memoryswap limit"],
    [{ memorySwap: 4 }, { memory: 5 }, "Memory limit should be smaller than already set memoryswap limit"],
  ] satisfies [Limits, Limits, string][]
) {
  Deno.test(`${JSON.stringify(given)} contradicts ${JSON.stringify(current)}: ${why}`, () => {
    assertThrows(() => mergeLimits("id", current, given), DhowError, `Cannot update container id: `);
    assertThrows(() => mergeLimits("id", current, given), DhowError, why);
  });
}
