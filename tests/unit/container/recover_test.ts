import { assertEquals } from "@std/assert";
import { recover } from "../../../src/container/recover.ts";
import { getContainer } from "../../../src/container/records.ts";
import { identify } from "../../../src/state/process_identity.ts";
import { TemporaryState } from "../state/temporary.ts";
import { insertContainer } from "./container_sample.ts";

/** A boot of the machine before this one. */
const EARLIER = JSON.stringify({ pid: 1, startTime: 1, bootId: "00000000-0000-0000-0000-000000000000" });
const A = "a".repeat(64);

async function recovered(
  status: string,
  options: Parameters<typeof insertContainer>[2] = {},
  owner = EARLIER,
) {
  using state = new TemporaryState();
  const database = state.open();
  insertContainer(database, A, { status, owner, ...options });
  database.run("UPDATE containers SET started = 5 WHERE id = ?", A);
  const { paths } = state;
  await recover({ database, paths, ownCommand: ["/bin/false"], recoverCommand: ["/bin/false"] });
  if (database.get("SELECT 1 FROM containers") === undefined) return undefined;
  const { status: now, owner: by, exitCode, error } = getContainer(database, A);
  return { now, by, exitCode, error: error?.split(":")[0] };
}

Deno.test("after a reboot a container that ran has ended, and nobody knows how", async () => {
  const error = "nobody saw how it ended";
  assertEquals(await recovered("running"), { now: "exited", by: null, exitCode: 255, error });
});

Deno.test("after a reboot a policy does not start a container by itself: start --all does", async () => {
  const options = { restart: { name: "always", retries: 0 } } as const;
  assertEquals((await recovered("running", { options }))?.now, "exited");
  assertEquals((await recovered("restarting", { options }))?.now, "exited");
});

Deno.test("a container that is removed at its end, and one in the foreground, are gone after a reboot", async () => {
  assertEquals(await recovered("running", { options: { remove: true } }), undefined);
  assertEquals(await recovered("foreground"), undefined);
});

Deno.test("a start that was killed leaves the container as it was", async () => {
  assertEquals((await recovered("created"))?.now, "created");
  assertEquals((await recovered("exited"))?.now, "exited");
});

Deno.test("a container whose owner lives, or that has none, is left alone", async () => {
  const self = identify(Deno.pid);
  assertEquals((await recovered("running", {}, JSON.stringify(self)))?.now, "running");
  assertEquals((await recovered("exited", {}, "null"))?.by, null);
});
