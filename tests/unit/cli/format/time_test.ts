import { assertEquals } from "@std/assert";
import { formatDuration, formatRfc3339, formatTime } from "../../../../src/cli/format/time.ts";

const SECOND = 1e9;
for (
  const [nanoseconds, text] of [
    [0, "0s"],
    [1, "1ns"],
    [1500, "1.5µs"],
    [200e6, "200ms"],
    [1.5 * SECOND, "1.5s"],
    [30 * SECOND, "30s"],
    [90 * SECOND, "1m30s"],
    [3600 * SECOND, "1h0m0s"],
    [-90 * SECOND, "-1m30s"],
    [3661 * SECOND + 1e6, "1h1m1.001s"],
    [100 * 3600 * SECOND, "100h0m0s"],
  ] as const
) {
  Deno.test(`${nanoseconds} nanoseconds are ${text}, as Go says it`, () =>
    assertEquals(formatDuration(nanoseconds), text));
}

Deno.test("a time is printed in the zone of the one who reads it", () => {
  const zone = Deno.env.get("TZ");
  const time = Date.parse("2024-01-02T03:04:05.678Z");
  try {
    Deno.env.set("TZ", "UTC");
    assertEquals([formatTime(time), formatRfc3339(time)], [
      "2024-01-02 03:04:05 +0000 UTC",
      "2024-01-02T03:04:05Z",
    ]);
    Deno.env.set("TZ", "America/St_Johns");
    assertEquals(formatRfc3339(time), "2024-01-01T23:34:05-03:30");
    assertEquals(formatTime(time).startsWith("2024-01-01 23:34:05 -0330 "), true);
  } finally {
    if (zone === undefined) Deno.env.delete("TZ");
    else Deno.env.set("TZ", zone);
  }
});
