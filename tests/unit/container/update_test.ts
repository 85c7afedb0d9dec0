import { assertEquals, assertThrows } from "@std/assert";
import { getContainer } from "../../../src/container/records.ts";
import { mergeLimits, updateLimits } from "../../../src/container/update.ts";
import { DhowError } from "../../../src/errors.ts";
import type { Limits } from "../../../src/limits/limits.ts";
import { identify } from "../../../src/state/process_identity.ts";
import { TemporaryState } from "../state/temporary.ts";
import { insertContainer } from "./container_sample.ts";

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
    [
      { memory: 9, memorySwap: 18 },
      { memorySwap: 8 },
      "Minimum memoryswap limit should be larger than memory",
    ],
  ] satisfies [Limits, Limits, string][]
) {
  Deno.test(`${JSON.stringify(given)} contradicts ${JSON.stringify(current)}: ${why}`, () => {
    assertThrows(() => mergeLimits("id", current, given), DhowError, `Cannot update container id: `);
    assertThrows(() => mergeLimits("id", current, given), DhowError, why);
  });
}

Deno.test("limits of a container that is being started are changed once it is there, not past what it starts with", async () => {
  using state = new TemporaryState();
  const database = state.open();
  insertContainer(database, "a", {
    owner: JSON.stringify(identify(Deno.pid)),
    undo: JSON.stringify([{ undo: "remove-cgroups", folders: ["/nowhere"] }]),
    options: { limits: { pidsLimit: 5 } },
  });
  const limits = () => getContainer(database, "a").config.options.limits;
  const updated = updateLimits(database, "a", { pidsLimit: 7 });
  assertEquals(limits(), { pidsLimit: 5 });
  database.run("UPDATE containers SET owner = 'null', undo = '[]' WHERE id = 'a'"); // the start has failed
  await updated;
  assertEquals(limits(), { pidsLimit: 7 });
});
