import { assert, assertEquals } from "@std/assert";
import { healthRemarks } from "../../../src/cli/explain_health.ts";
import { explain } from "../../../src/plan/explain.ts";
import { samplePlan } from "../container/sample.ts";
import { firewallsOf } from "../plan/scripts.ts";

/** The lines of a script with these remarks that are no comments. */
function commands(remarks: readonly string[]): string[] {
  const plan = samplePlan();
  const script = explain({
    title: "dhow run sample",
    workFolder: "/tmp/w",
    archive: undefined,
    plan,
    firewalls: firewallsOf(plan),
    remarks,
  });
  for (const remark of remarks) assert(script.includes(`\n# ${remark}\n`), remark);
  return script.split("\n").filter((line) => !line.startsWith("#"));
}

Deno.test("explain says what dhow runs to check a container's health, how often, and what it makes of it", () => {
  const check = {
    Test: ["CMD", "wget", "-qO-", "http://localhost/a b"],
    Interval: 5e9,
    Timeout: 200e6,
    StartPeriod: 90e9,
    Retries: 2,
  };
  assertEquals(healthRemarks(check, undefined), [
    "This script does not check the container's health. dhow does: 5s after the start, and again 5s",
    "after each check has ended, it joins the container as dhow exec does, and runs there:",
    "  wget -qO- 'http://localhost/a b'",
    "Exit code 0 means healthy. After 200ms a check is killed, and has failed.",
    "2 failures on end make the container unhealthy, and nothing else: it goes on.",
    "Failures in its first 1m30s do not count, until a check succeeds.",
  ]);
});

Deno.test("explain gives docker's times for what is not said, and the shell that runs the check", () => {
  const text = healthRemarks({ Test: ["CMD-SHELL", "test -e /ok"] }, ["/bin/ash", "-c"]).join("\n");
  for (const part of ["30s after the start", "  /bin/ash -c 'test -e /ok'", "After 30s", "3 failures"]) {
    assert(text.includes(part), part);
  }
  assert(!text.includes("first"), text);
});

Deno.test("explain says nothing of health where nothing is checked", () => {
  assertEquals(healthRemarks(undefined, undefined), []);
  assertEquals(healthRemarks({ Test: ["NONE"] }, undefined), []);
});

Deno.test("a health check of many lines stays within its comment", () => {
  const remarks = healthRemarks({ Test: ["CMD-SHELL", "true\nrm -rf /\n"] }, undefined);
  assertEquals(commands(remarks), commands([]));
});
