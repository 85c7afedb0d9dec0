import { assertEquals } from "@std/assert";
import { humanDuration, humanSize } from "../../../src/cli/human.ts";

const SIZES: readonly [bytes: number, text: string][] = [
  [0, "0B"],
  [999, "999B"],
  [1000, "1kB"],
  [1240, "1.24kB"],
  [1_982_495, "1.98MB"],
  [124_300_000, "124MB"],
  [1_000_000_000, "1GB"],
  [2.5e12, "2.5TB"],
  [3e15, "3PB"],
  [5e18, "5000PB"],
];

for (const [bytes, text] of SIZES) {
  Deno.test(`${bytes} bytes are ${text}, as docker says it`, () => assertEquals(humanSize(bytes), text));
}

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const TIMES: readonly [milliseconds: number, text: string][] = [
  [0, "Less than a second"],
  [SECOND, "1 second"],
  [59 * SECOND, "59 seconds"],
  [60 * SECOND, "About a minute"],
  [2 * MINUTE, "2 minutes"],
  [59 * MINUTE, "59 minutes"],
  [HOUR, "About an hour"],
  [90 * MINUTE, "2 hours"],
  [47 * HOUR, "47 hours"],
  [48 * HOUR, "2 days"],
  [13 * DAY, "13 days"],
  [14 * DAY, "2 weeks"],
  [59 * DAY, "8 weeks"],
  [60 * DAY, "2 months"],
  [729 * DAY, "24 months"],
  [730 * DAY, "2 years"],
];

for (const [milliseconds, text] of TIMES) {
  Deno.test(`${milliseconds} ms are "${text}", as docker says it`, () => {
    assertEquals(humanDuration(milliseconds), text);
  });
}

Deno.test("docker has four digits where it does not say otherwise", () => {
  assertEquals([humanSize(1_982_495, 4), humanSize(999, 4), humanSize(0, 4)], ["1.982MB", "999B", "0B"]);
});
