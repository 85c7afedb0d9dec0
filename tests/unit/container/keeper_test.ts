import { assertEquals } from "@std/assert";
import { idleNetworks } from "../../../src/container/keeper.ts";
import { TemporaryState } from "../state/temporary.ts";

Deno.test("a network that its last container has left is idle, also when the clock was set back since", () => {
  using state = new TemporaryState();
  const database = state.open();
  const now = Date.now();
  for (const [name, left] of [["long", now - 3600_000], ["later", now + 3600_000]] as const) {
    database.run(
      "INSERT INTO networks (name, id, bridge, subnet, last_address, made, idle_since) VALUES (?, ?, ?, '10.0.0.0/24', 0, '{}', ?)",
      name,
      name,
      `dhow-${name}`,
      left,
    );
  }
  assertEquals(idleNetworks(database, ["/bin/false"]).sort(), ["later", "long"]);
});
