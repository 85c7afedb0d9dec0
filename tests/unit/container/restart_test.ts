import { assertEquals } from "@std/assert";
import type { RestartPolicy } from "../../../src/container/options.ts";
import { STOPPED } from "../../../src/container/records.ts";
import { isStartedAtBoot, restartDelay } from "../../../src/container/restart.ts";
import { sampleRecord } from "./container_sample.ts";

type Changes = Parameters<typeof sampleRecord>[0];

function delay(name: RestartPolicy["name"], exitCode: number, changes: Changes = {}, retries = 0) {
  const record = sampleRecord({ started: 1000, ...changes }, { restart: { name, retries } });
  return restartDelay(record, { exitCode, finished: 1500 });
}

Deno.test("each policy wants other ends", () => {
  assertEquals([delay("no", 0), delay("no", 1)], [undefined, undefined]);
  assertEquals([delay("on-failure", 0), delay("on-failure", 1)], [undefined, 100]);
  assertEquals([delay("always", 0), delay("always", 1)], [100, 100]);
  assertEquals([delay("unless-stopped", 0), delay("unless-stopped", 1)], [100, 100]);
});

Deno.test("a failure is tried again as often as was said", () => {
  assertEquals(delay("on-failure", 1, { restarts: 2 }, 3), 100);
  assertEquals(delay("on-failure", 1, { restarts: 3 }, 3), undefined);
});

Deno.test("what somebody has stopped stays so; a signal leaves the choice to the policy", () => {
  for (const name of ["on-failure", "always", "unless-stopped"] as const) {
    assertEquals(delay(name, 137, { stopped: STOPPED.forGood }), undefined);
  }
  assertEquals(delay("always", 1, { stopped: STOPPED.byUser }), 100);
  assertEquals(delay("unless-stopped", 1, { stopped: STOPPED.byUser }), undefined);
});

Deno.test("what ends because the machine stops is not started before the machine is, and then as its policy wants it", () => {
  const { byShutdown } = STOPPED;
  const comes = (name: RestartPolicy["name"]) =>
    isStartedAtBoot(sampleRecord({ status: "exited", exitCode: 143, stopped: byShutdown }, {
      restart: { name, retries: 0 },
    }));
  for (const name of ["on-failure", "always", "unless-stopped"] as const) {
    assertEquals(delay(name, 143, { stopped: byShutdown }), undefined);
    assertEquals(comes(name), true);
  }
  assertEquals(comes("no"), false);
});

Deno.test("each restart is put off twice as long, up to a minute; a run of ten seconds begins anew", () => {
  const delays: (number | undefined)[] = [];
  for (let last = 0, count = 0; count < 12; count++) {
    last = delay("always", 1, { restartDelay: last })!;
    delays.push(last);
  }
  assertEquals(delays, [100, 200, 400, 800, 1600, 3200, 6400, 12800, 25600, 51200, 60000, 60000]);
  const record = sampleRecord({ started: 1000, restartDelay: 800 }, {
    restart: { name: "always", retries: 0 },
  });
  assertEquals(restartDelay(record, { exitCode: 1, finished: 11_000 }), 100);
  assertEquals(restartDelay(record, { exitCode: 1, finished: 10_999 }), 1600);
});

Deno.test("when the machine starts, those come back that docker's daemon starts", () => {
  const comes = (name: RestartPolicy["name"], changes: Changes = {}) =>
    isStartedAtBoot(
      sampleRecord({ status: "exited", exitCode: 255, ...changes }, { restart: { name, retries: 2 } }),
    );
  assertEquals([comes("no"), comes("on-failure"), comes("always"), comes("unless-stopped")], [
    false,
    true,
    true,
    true,
  ]);
  const stopped = { stopped: STOPPED.forGood };
  assertEquals([comes("on-failure", stopped), comes("always", stopped), comes("unless-stopped", stopped)], [
    false,
    true,
    false,
  ]);
  assertEquals([comes("on-failure", { exitCode: 0 }), comes("on-failure", { restarts: 2 })], [false, false]);
  assertEquals([
    comes("always", { status: "created", started: null }),
    comes("always", { status: "running" }),
  ], [
    false,
    false,
  ]);
});
