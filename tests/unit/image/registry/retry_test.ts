import { assert, assertEquals, assertRejects } from "@std/assert";
import { HostError, ImageError } from "../../../../src/errors.ts";
import {
  parseRetryAfter,
  retryDelay,
  TransientError,
  withRetries,
} from "../../../../src/image/registry/retry.ts";
import { FakeClock } from "../../../support/clock.ts";

for (
  const [failures, retryAfter, scatter, expected] of [
    [1, undefined, 0, 250],
    [1, undefined, 1, 500],
    [2, undefined, 1, 1000],
    [5, undefined, 1, 8000],
    [5, undefined, 0, 4000],
    [6, undefined, 0, undefined],
    [1, 3000, 1, 3000],
    [3, 10, 1, 2000],
    [1, 120_000, 0, 120_000],
    [1, 120_001, 0, undefined],
  ] as const
) {
  Deno.test(`after ${failures} failures, asked to wait ${retryAfter} ms, it is ${expected} ms to the next attempt`, () => {
    assertEquals(retryDelay(failures, retryAfter, scatter), expected);
  });
}

const NOW = Date.UTC(2024, 0, 1);

for (
  const [header, expected] of [
    [null, undefined],
    ["7", 7000],
    ["0", 0],
    ["Mon, 01 Jan 2024 00:00:05 GMT", 5000],
    ["Sun, 31 Dec 2023 00:00:00 GMT", 0],
    ["soon", undefined],
  ] as const
) {
  Deno.test(`Retry-After: ${header} is ${expected} ms`, () => {
    assertEquals(parseRetryAfter(header, NOW), expected);
  });
}

function context(clock = new FakeClock()) {
  return { clock, random: () => 1, signal: new AbortController().signal };
}

function failing(times: number): { work: () => Promise<string>; calls: () => number } {
  let calls = 0;
  const work = () => {
    if (++calls > times) return Promise.resolve("done");
    return Promise.reject(new TransientError(new HostError({ what: `failure ${calls}` })));
  };
  return { work, calls: () => calls };
}

Deno.test("work that fails in passing is done again, after longer and longer waits", async () => {
  const clock = new FakeClock();
  assertEquals(await withRetries(failing(4).work, context(clock)), "done");
  assertEquals(clock.waits, [500, 1000, 2000, 4000]);
});

Deno.test("work that never succeeds is given up, with its last failure", async () => {
  const { work, calls } = failing(100);
  await assertRejects(() => withRetries(work, context()), HostError, "failure 6");
  assertEquals(calls(), 6);
});

Deno.test("what will not pass is not tried again", async () => {
  let calls = 0;
  const work = () => {
    calls++;
    return Promise.reject(new ImageError({ what: "wrong digest" }));
  };
  await assertRejects(() => withRetries(work, context()), ImageError, "wrong digest");
  assertEquals(calls, 1);
});

Deno.test("an attempt that came far makes the next failure count as the first", async () => {
  const clock = new FakeClock();
  const { work } = failing(8);
  let attempts = 0;
  const result = await withRetries((renew) => {
    if (++attempts === 4) renew();
    return work();
  }, context(clock));
  assertEquals(result, "done");
  assertEquals(clock.waits, [500, 1000, 2000, 500, 1000, 2000, 4000, 8000]);
});

Deno.test("waiting for the next attempt ends when the user breaks off", async () => {
  const controller = new AbortController();
  const clock = new FakeClock(0); // every wait lasts
  const { work } = failing(1);
  const waiting = withRetries(work, { clock, random: () => 1, signal: controller.signal });
  controller.abort(new Error("interrupted"));
  await assertRejects(() => waiting, Error, "interrupted");
  assert(clock.waits.length === 0);
});
