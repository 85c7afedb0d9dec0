import { assertEquals, assertThrows } from "@std/assert";
import { formatDuration, parseDuration } from "../../src/duration.ts";

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

for (
  const [text, nanoseconds] of [
    ["0", 0],
    ["-0", 0],
    ["30s", 30 * SECOND],
    ["1m30s", 90 * SECOND],
    ["+1h", 3600 * SECOND],
    [".5s", SECOND / 2],
    ["1.s", SECOND],
    ["0.3s", 300e6],
    ["-200ms", -200e6],
    ["10us", 10e3],
    ["10µs", 10e3],
    ["10μs", 10e3],
    ["1ns", 1],
    ["87600h", 87600 * 3600 * SECOND],
  ] as const
) {
  Deno.test(`${text} are ${nanoseconds} nanoseconds`, () =>
    assertEquals(parseDuration(text) === nanoseconds, true));
}

for (
  const [text, why] of [
    ["", 'time: invalid duration ""'],
    ["abc", 'time: invalid duration "abc"'],
    ["-", 'time: invalid duration "-"'],
    ["1s.", 'time: invalid duration "1s."'],
    [" 1s", 'time: invalid duration " 1s"'],
    ["3000000h", 'time: invalid duration "3000000h"'],
    ["30", 'time: missing unit in duration "30"'],
    ["1m30", 'time: missing unit in duration "1m30"'],
    ["3x", 'time: unknown unit "x" in duration "3x"'],
    ["1constructor", 'time: unknown unit "constructor" in duration "1constructor"'],
  ] as const
) {
  Deno.test(`${JSON.stringify(text)} is no duration, in Go's words`, () => {
    assertEquals(assertThrows(() => parseDuration(text), SyntaxError).message, why);
  });
}
