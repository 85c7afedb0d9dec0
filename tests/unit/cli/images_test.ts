import { assertEquals } from "@std/assert";
import { humanDuration, humanSize } from "../../../src/cli/human.ts";
import { formatTable } from "../../../src/cli/table.ts";

for (
  const [bytes, text] of [
    [0, "0B"],
    [999, "999B"],
    [1000, "1kB"],
    [1_982_495, "1.98MB"],
    [12_345_678, "12.3MB"],
    [233_000_000, "233MB"],
    [1_500_000_000, "1.5GB"],
    [2e18, "2000PB"],
  ] as const
) {
  Deno.test(`${bytes} bytes are ${text}, as docker counts`, () => assertEquals(humanSize(bytes), text));
}

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
for (
  const [duration, text] of [
    [10, "Less than a second"],
    [1000, "1 second"],
    [59_000, "59 seconds"],
    [MINUTE, "About a minute"],
    [16 * MINUTE, "16 minutes"],
    [HOUR, "About an hour"],
    [47 * HOUR, "47 hours"],
    [3 * DAY, "3 days"],
    [20 * DAY, "2 weeks"],
    [90 * DAY, "3 months"],
    [800 * DAY, "2 years"],
  ] as const
) {
  Deno.test(`${duration} ms are "${text}", as docker says`, () =>
    assertEquals(humanDuration(duration), text));
}

Deno.test("columns are ten wide or three wider than what is in them", () => {
  const rows = [["REPOSITORY", "TAG", "SIZE"], ["busybox", "latest", "1B"]];
  assertEquals(formatTable(rows), "REPOSITORY   TAG       SIZE\nbusybox      latest    1B\n");
});
