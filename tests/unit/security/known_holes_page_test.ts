import { assert, assertEquals } from "@std/assert";
import { REPOSITORY } from "../../support/host.ts";

const page = Deno.readTextFileSync(`${REPOSITORY}/docs/security.md`);
const rows = page.split("\n").filter((line) => line.startsWith("| ")).slice(2).map((line) =>
  line.split("|").slice(1, -1).map((cell) => cell.trim())
);

/** Those that dhow is to have a test for. */
const HOLES = [
  ...["2016-9962", "2018-15664", "2019-14271", "2019-5736", "2020-14370", "2020-15257", "2021-30465"],
  ...["2022-0492", "2022-24769", "2022-27649", "2022-29162", "2022-2989", "2024-21626", "2024-45310"],
  ...["2025-31133", "2025-52565", "2025-52881", "2026-30892", "2026-41579", "2026-47766"],
];

Deno.test("the page of known holes has a row for each, with a defence and a test", () => {
  assert(rows.length > 20);
  for (const cells of rows) {
    assertEquals(cells.length, 4, cells[0]);
    assertEquals(cells.filter((cell) => cell === ""), [], cells[0]);
  }
  const numbers = rows.flatMap(([attack]) => attack!.match(/\d{4}-\d{4,}/g) ?? []);
  assertEquals(HOLES.filter((number) => !numbers.includes(number)), []);
  assert(!/not yet/i.test(page));
});

Deno.test("each test that the page of known holes names is there", () => {
  for (const [attack, , , tests] of rows) {
    const files = tests!.split(";").map((each) => /^ *`([a-z/_]+_test\.ts)`/.exec(each)?.[1]);
    for (const [index, each] of tests!.split(";").entries()) {
      assert(files[index] !== undefined, `${attack}: ${each}`);
      const source = Deno.readTextFileSync(`${REPOSITORY}/tests/${files[index]}`);
      for (const [, words] of each.matchAll(/"([^"]+)"/g)) {
        assert(source.includes(words!), `${attack}: ${words}`);
      }
    }
  }
});
