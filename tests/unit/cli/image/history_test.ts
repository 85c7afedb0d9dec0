import { assertEquals } from "@std/assert";
import { historyRows } from "../../../../src/cli/image/history.ts";
import { id } from "./sample.ts";

const NOW = Date.parse("2024-02-01T00:00:00Z");
const LONG = `/bin/sh -c echo ${"x".repeat(60)}`;

function rows(history: unknown, { human = true, truncate = true, sizes = [1_982_472, 23] } = {}): string[][] {
  const image = { id: id("a"), configText: JSON.stringify({ history }), sizes };
  return historyRows(image, { human, truncate, now: NOW }).map(({ fields }) =>
    ["ID", "CreatedSince", "CreatedBy", "Size", "Comment"].map((name) => fields[name]!())
  );
}

const STEPS = [
  { created: "2024-01-01T00:00:00Z", created_by: "ADD file" },
  { created: "2024-01-01T00:00:01Z", created_by: "ENV A=1", empty_layer: true },
  { created: "2024-01-31T00:00:00Z", created_by: LONG, comment: "why" },
];

Deno.test("the last step comes first, and each step that made a layer has its size", () => {
  assertEquals(rows(STEPS), [
    ["aaaaaaaaaaaa", "24 hours ago", `${LONG.slice(0, 44)}…`, "23B", "why"],
    ["<missing>", "4 weeks ago", "ENV A=1", "0B", ""],
    ["<missing>", "4 weeks ago", "ADD file", "1.98MB", ""],
  ]);
});

Deno.test("for programs, sizes are bytes, times are RFC 3339, and nothing is cut", () => {
  const zone = Deno.env.get("TZ");
  Deno.env.set("TZ", "UTC");
  try {
    assertEquals(rows(STEPS, { human: false, truncate: false }), [
      [id("a"), "2024-01-31T00:00:00Z", LONG, "23", "why"],
      ["<missing>", "2024-01-01T00:00:01Z", "ENV A=1", "0", ""],
      ["<missing>", "2024-01-01T00:00:00Z", "ADD file", "1982472", ""],
    ]);
  } finally {
    if (zone === undefined) Deno.env.delete("TZ");
    else Deno.env.set("TZ", zone);
  }
});

Deno.test("tabs of a command are spaces", () => {
  assertEquals(rows([{ created_by: "a\tb" }])[0]?.[2], "a b");
});

for (const history of [undefined, null, 1, "x", {}, []]) {
  Deno.test(`a history that is ${JSON.stringify(history)} has no rows`, () =>
    assertEquals(rows(history), []));
}

Deno.test("what is of the wrong type in a history counts as absent", () => {
  const odd = [{ created: 1, created_by: ["x"], comment: {}, empty_layer: "yes" }, null, "x", {
    created: "soon",
  }];
  assertEquals(rows(odd, { sizes: [5] }), [
    ["aaaaaaaaaaaa", "N/A", "", "0B", ""],
    ["<missing>", "N/A", "", "0B", ""],
    ["<missing>", "N/A", "", "0B", ""],
    ["<missing>", "N/A", "", "5B", ""],
  ]);
});
