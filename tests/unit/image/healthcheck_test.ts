import { assertEquals, assertThrows } from "@std/assert";
import { ImageError } from "../../../src/errors.ts";
import { parseImageConfig } from "../../../src/image/config.ts";
import { type Healthcheck, mergeHealthcheck, probingOf } from "../../../src/image/healthcheck.ts";

function imageWith(process: Record<string, unknown>) {
  const rootfs = { diff_ids: [`sha256:${"0".repeat(64)}`] };
  return parseImageConfig(
    JSON.stringify({ architecture: "amd64", os: "linux", rootfs, config: process }),
    "it",
  );
}

Deno.test("an image's health check is read as it is, and its shell", () => {
  const Healthcheck = { Test: ["CMD-SHELL", "x"], Interval: 5e9, Retries: 0, StartPeriod: -1 };
  const { healthcheck, shell } = imageWith({ Healthcheck, Shell: ["/bin/ash", "-c"] });
  assertEquals({ healthcheck, shell }, { healthcheck: Healthcheck, shell: ["/bin/ash", "-c"] });
  assertEquals(imageWith({ Healthcheck: null, Shell: null }), imageWith({}));
  assertEquals(imageWith({ Healthcheck: { Interval: 87600 * 3600e9 } }).healthcheck, {
    Interval: 87600 * 3600e9,
  });
});

for (
  const [Healthcheck, why] of [
    [[], "an object"],
    [{ Test: "x" }, "list of strings"],
    [{ Test: ["CMD", "a\0b"] }, "NUL"],
    [{ Interval: "30s" }, "a whole number"],
    [{ Timeout: 1.5 }, "a whole number"],
    [{ Retries: 1e30 }, "a whole number"],
  ] as const
) {
  Deno.test(`an image with the health check ${JSON.stringify(Healthcheck)} is refused`, () => {
    assertThrows(() => imageWith({ Healthcheck }), ImageError, why);
  });
}

Deno.test("what the user leaves out is the image's, member by member", () => {
  const image: Healthcheck = {
    Test: ["CMD", "a"],
    Interval: 1e9,
    Timeout: 2e9,
    StartPeriod: 3e9,
    Retries: 4,
  };
  assertEquals(mergeHealthcheck(undefined, undefined), undefined);
  assertEquals(mergeHealthcheck(undefined, image), image);
  assertEquals(mergeHealthcheck({ Retries: 9 }, undefined), { Retries: 9 });
  assertEquals(mergeHealthcheck({ Retries: 9, Interval: 0, Test: [] }, image), { ...image, Retries: 9 });
  assertEquals(mergeHealthcheck({ Test: ["NONE"] }, image), { ...image, Test: ["NONE"] });
});

Deno.test("docker's defaults hold for what nobody said, and for what cannot be", () => {
  const usual = { interval: 30e9, timeout: 30e9, startPeriod: 0, retries: 3 };
  assertEquals(probingOf({ Test: ["CMD", "a", "b"] }), { command: ["a", "b"], ...usual });
  const impossible = { Interval: 1, Timeout: -5e9, StartPeriod: -1, Retries: -2 };
  assertEquals(probingOf({ Test: ["CMD", "a"], ...impossible }), { command: ["a"], ...usual });
  const said = { Interval: 1e6, Timeout: 2e9, StartPeriod: 3e9, Retries: 4 };
  assertEquals(probingOf({ Test: ["CMD-SHELL", "a b"], ...said }), {
    command: ["/bin/sh", "-c", "a b"],
    interval: 1e6,
    timeout: 2e9,
    startPeriod: 3e9,
    retries: 4,
  });
  assertEquals(probingOf({ Test: ["CMD-SHELL", "a"] }, ["ash", "-ec"])?.command, ["ash", "-ec", "a"]);
  assertEquals(probingOf({ Test: ["CMD-SHELL", "a"] }, [])?.command, ["/bin/sh", "-c", "a"]);
});

Deno.test("without a command nothing is probed", () => {
  for (
    const check of [undefined, {}, { Test: [] }, { Test: ["NONE"] }, { Test: ["RUN", "x"] }, { Retries: 1 }]
  ) {
    assertEquals(probingOf(check), undefined, JSON.stringify(check));
  }
});
