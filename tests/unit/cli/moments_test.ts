import { assertEquals, assertThrows } from "@std/assert";
import { parseMoment } from "../../../src/cli/moments.ts";
import { UsageError } from "../../../src/errors.ts";

const NOW = 1_700_000_000_000;

Deno.test("a moment is a number of seconds since 1970, also with a fraction", () => {
  assertEquals(parseMoment("1700000000", NOW), 1_700_000_000);
  assertEquals(parseMoment("12.5", NOW), 12.5);
});

Deno.test("a duration is that long ago", () => {
  assertEquals(parseMoment("10m", NOW), 1_700_000_000 - 600);
  assertEquals(parseMoment("1h30m5s", NOW), 1_700_000_000 - 5405);
  assertEquals(parseMoment("1.5h", NOW), 1_700_000_000 - 5400);
  assertEquals(parseMoment("500ms", NOW), 1_700_000_000 - 0.5);
  assertEquals(parseMoment("10s500ms", NOW), 1_700_000_000 - 10.5);
  assertEquals(parseMoment("-10m", NOW), 1_700_000_000 + 600);
});

Deno.test("a date may lack parts at its end, and is local without a zone", () => {
  assertEquals(parseMoment("2026-01-31T12:00:00Z", NOW), Date.UTC(2026, 0, 31, 12) / 1000);
  assertEquals(parseMoment("2026-01-31T12:00:00.25+02:00", NOW), Date.UTC(2026, 0, 31, 10) / 1000 + 0.25);
  assertEquals(parseMoment("2026-01-31", NOW), new Date(2026, 0, 31).getTime() / 1000);
  assertEquals(parseMoment("2026-01-31T07", NOW), new Date(2026, 0, 31, 7).getTime() / 1000);
});

Deno.test("what is none of these is refused, and named", () => {
  for (
    const text of ["", "soon", "5d", "1h 2m", "2026-13-01", "2026-01-31T25", "m", "10m-", "24h!", "--1h"]
  ) {
    assertThrows(() => parseMoment(text, NOW), UsageError, JSON.stringify(text));
  }
});
