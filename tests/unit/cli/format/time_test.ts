import { assertEquals } from "@std/assert";
import { formatRfc3339, formatTime } from "../../../../src/cli/format/time.ts";

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
