import { assert, assertEquals } from "@std/assert";
import { dirname } from "@std/path";
import { detachedTest } from "../support/detached.ts";
import { DHOW, REPOSITORY } from "../support/host.ts";

/** The same checks as those of scripts/vm-test, whose machine has version 2 of cgroups. */
detachedTest("the tour of limits and devices", async (_it, host) => {
  const version = (await host.shell("cat /proc/self/mountinfo")).includes(" - cgroup cgroup ") ? "1" : "2";
  const path = `PATH=${dirname(DHOW)}:${Deno.env.get("PATH")}`;
  const said = await host.succeed(["env", path, "dash", `${REPOSITORY}/scripts/limits-tour.sh`, version]);
  const lines = said.trim().split("\n");
  assertEquals(lines.filter((line) => !line.startsWith("ok ")), []);
  assert(lines.length > 30, said);
});
