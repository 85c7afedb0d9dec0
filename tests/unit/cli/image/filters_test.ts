import { assertEquals, assertThrows } from "@std/assert";
import { parseUntil } from "../../../../src/cli/image/filters.ts";
import { UsageError } from "../../../../src/errors.ts";

const NOW = Date.parse("2024-01-10T00:00:00Z");
const HOUR = 3_600_000;

for (
  const [text, time] of [
    ["1704067200", Date.parse("2024-01-01T00:00:00Z")],
    ["1704067200.5", Date.parse("2024-01-01T00:00:00.500Z")],
    ["24h", NOW - 24 * HOUR],
    ["1h30m", NOW - 1.5 * HOUR],
    ["1.5h", NOW - 1.5 * HOUR],
    ["10s500ms", NOW - 10_500],
    ["2024-01-01T00:00:00Z", Date.parse("2024-01-01T00:00:00Z")],
    ["2024-01-01T00:00:00+02:00", Date.parse("2023-12-31T22:00:00Z")],
    ["2024-01-01T12:00:00", new Date(2024, 0, 1, 12).getTime()],
    ["2024-01-01", new Date(2024, 0, 1).getTime()],
  ] as const
) {
  Deno.test(`until=${text} is a time that docker knows too`, () => assertEquals(parseUntil(text, NOW), time));
}

for (const text of ["", "xx", "1x", "h", "24h!", "yesterday", "2024-13-01", "2024-01-01T99:00:00Z"]) {
  Deno.test(`until=${JSON.stringify(text)} is refused in docker's words`, () => {
    assertThrows(() => parseUntil(text, NOW), UsageError, "failed to parse value as time or duration");
  });
}
