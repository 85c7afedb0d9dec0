import { assertEquals } from "@std/assert";
import { spoolFolder } from "../../../src/state/paths.ts";
import { abandonedSpools } from "../../../src/state/abandoned_spools.ts";
import { openSpool } from "../../../src/state/spool.ts";
import { TemporaryState } from "./temporary.ts";

function spools(state: TemporaryState): string[] {
  return [...Deno.readDirSync(spoolFolder(state.paths))].map(({ name }) => name);
}

Deno.test("a spool goes with all that is in it when it is disposed of", () => {
  using state = new TemporaryState();
  {
    using spool = openSpool(state.paths);
    Deno.writeTextFileSync(`${spool.path}/layer`, "x");
    assertEquals(Deno.statSync(spool.path).mode! & 0o777, 0o700);
  }
  assertEquals(spools(state), []);
});

Deno.test("spools of processes that are gone are abandoned, those of others are not", () => {
  using state = new TemporaryState();
  using first = openSpool(state.paths);
  using second = openSpool(state.paths);
  const [pid, startTime, bootId] = first.path.split("/").at(-1)!.split(".");
  for (
    const name of [
      `${pid}.${Number(startTime) + 1}.${bootId}.x`,
      `${pid}.${startTime}.another-boot.x`,
      "99999999.1.x.y",
      "what is this",
    ]
  ) {
    Deno.mkdirSync(`${spoolFolder(state.paths)}/${name}`);
    Deno.writeTextFileSync(`${spoolFolder(state.paths)}/${name}/layer`, "x");
  }
  const abandoned = abandonedSpools(state.paths).map((path) => path.split("/").at(-1)!);
  const own = [first, second].map(({ path }) => path.split("/").at(-1)!);
  assertEquals(abandoned.sort(), spools(state).filter((name) => !own.includes(name)).sort());
  assertEquals(abandoned.length, 4);
});

Deno.test("where there never was a spool, none is abandoned", () => {
  using state = new TemporaryState();
  assertEquals(abandonedSpools(state.paths), []);
});
