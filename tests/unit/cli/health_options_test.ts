import { assertEquals, assertThrows } from "@std/assert";
import { parse } from "../../../src/cli/command.ts";
import { HEALTH_OPTIONS, readHealthcheck } from "../../../src/cli/health_options.ts";
import { OptionError, UsageError } from "../../../src/errors.ts";

function said(...args: string[]) {
  return readHealthcheck(parse("dhow run", HEALTH_OPTIONS, args, true).options);
}

Deno.test("what the options say of a health check becomes what an image would say", () => {
  assertEquals(said(), undefined);
  const times = ["--health-interval", "1m30s", "--health-timeout=.5s", "--health-start-period", "2h"];
  assertEquals(said("--health-cmd", "a || b", ...times, "--health-retries", "7"), {
    Test: ["CMD-SHELL", "a || b"],
    Interval: 90e9,
    Timeout: 5e8,
    StartPeriod: 7200e9,
    Retries: 7,
  });
  assertEquals(said("--health-retries", "2"), { Retries: 2 });
  assertEquals(said("--no-healthcheck"), { Test: ["NONE"] });
});

Deno.test("0 and nothing are as good as not given, as in docker", () => {
  assertEquals(said("--health-cmd", "", "--health-interval", "0", "--health-retries", "0"), undefined);
  assertEquals(said("--no-healthcheck", "--health-timeout", "0s"), { Test: ["NONE"] });
});

// in docker's client, which has an exit code of its own for them, whatever the command
for (
  const [args, why] of [
    [
      ["--health-interval", "abc"],
      'invalid argument "abc" for "--health-interval" flag: time: invalid duration "abc"',
    ],
    [
      ["--health-timeout", "30"],
      'invalid argument "30" for "--health-timeout" flag: time: missing unit in duration "30"',
    ],
    [["--health-start-period", "3x"], 'time: unknown unit "x" in duration "3x"'],
    [["--health-retries", "x"], 'invalid argument "x" for "--health-retries" flag'],
    [["--health-retries", "1.5"], 'invalid argument "1.5"'],
    [["--health-interval=-1s"], "--health-interval cannot be negative"],
    [["--health-timeout=-1s"], "--health-timeout cannot be negative"],
    [["--health-start-period=-1s"], "--health-start-period cannot be negative"],
    [["--health-retries=-1"], "--health-retries cannot be negative"],
    [["--no-healthcheck", "--health-cmd", "x"], "--no-healthcheck conflicts with --health-* options"],
    [["--no-healthcheck", "--health-retries", "1"], "--no-healthcheck conflicts with --health-* options"],
  ] as [string[], string][]
) {
  Deno.test(`${args.join(" ")} is refused in docker's words`, () => {
    assertThrows(() => said(...args), OptionError, why);
  });
}

for (
  const [option, member] of [
    ["--health-interval", "Interval"],
    ["--health-timeout", "Timeout"],
    ["--health-start-period", "StartPeriod"],
  ] as const
) {
  Deno.test(`${option} of less than a millisecond is refused, as docker's daemon does`, () => {
    const error = assertThrows(() => said(option, "999us"), UsageError);
    assertEquals(error.message, `cannot run a container: ${member} in Healthcheck cannot be less than 1ms`);
    assertEquals(error instanceof OptionError, false);
  });
}
