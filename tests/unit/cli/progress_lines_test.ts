import { assert, assertEquals } from "@std/assert";
import { type LayerState, renderProgress } from "../../../src/cli/progress_lines.ts";

const SECOND = 1000;

function layer(id: string, change: Partial<LayerState> = {}): LayerState {
  return {
    id,
    action: "Downloading",
    total: 10_000_000,
    current: 0,
    since: 0,
    begun: 0,
    outcome: undefined,
    before: 0,
    ...change,
  };
}

function lines(layers: readonly LayerState[], columns = 100, rows = 24, now = 2 * SECOND): string[] {
  return renderProgress(layers, { columns, rows }, now);
}

Deno.test("nothing is shown of nothing", () => assertEquals(lines([]), []));

for (
  const [change, expected] of [
    [{}, "a: Downloading"],
    [{ action: "Pulling fs layer" }, "a: Pulling fs layer"],
    [
      { current: 2_500_000 },
      "a: Downloading [============>                                     ]  2.5MB/10MB  1.25MB/s  6s left",
    ],
    [
      { current: 10_000_000 },
      "a: Downloading [==================================================]  10MB/10MB  5MB/s",
    ],
    [{ current: 2_500_000, total: undefined }, "a: Downloading  2.5MB  1.25MB/s"],
    [
      { current: 2_500_000, since: 2 * SECOND },
      "a: Downloading [============>                                     ]  2.5MB/10MB",
    ],
    [{ current: 10_000, outcome: "Pull complete" }, "a: Pull complete"],
    [
      { current: 10, total: 7200_000 * 5 },
      "a: Downloading [>                                                 ]  10B/36MB  5B/s  1999h59m left",
    ],
    [
      { current: 100_000 },
      "a: Downloading [>                                                 ]  100kB/10MB  50kB/s  3m18s left",
    ],
    // one that sent more than it said
    [
      { current: 20_000_000 },
      "a: Downloading [==================================================]  20MB/10MB  10MB/s",
    ],
    // one that starts anew
    [{ current: -5 }, "a: Downloading"],
  ] as const
) {
  Deno.test(`a layer with ${JSON.stringify(change)} is shown as ${expected}`, () => {
    assertEquals(lines([layer("a", change)]), [expected]);
  });
}

Deno.test("several layers have a line for all of them", () => {
  const layers = [
    layer("a", { outcome: "Download complete", current: 10_000_000 }),
    layer("b", { current: 5_000_000 }),
    layer("c"),
    layer("d", { outcome: "Already exists", total: undefined }),
  ];
  assertEquals(lines(layers).at(-1), "Total: 2/4 layers, 15MB/30MB  7.5MB/s  2s left");
});

Deno.test("the work that went before counts in the total", () => {
  const layers = [layer("a", { action: "Extracting", before: 10_000_000, current: 5_000_000 }), layer("b")];
  assertEquals(lines(layers).at(-1), "Total: 0/2 layers, 15MB/30MB  7.5MB/s  2s left");
});

Deno.test("no line is as wide as the window, however narrow that is", () => {
  const layers = [
    layer("0123456789ab", { current: 123_456 }),
    layer("cdef", { outcome: "Mounted from a/very/long/name" }),
  ];
  for (let columns = 1; columns < 120; columns++) {
    const drawn = lines(layers, columns);
    assertEquals(drawn.length, 3);
    assert(drawn.every((line) => line.length < Math.max(columns, 2)), `${columns} columns`);
  }
});

Deno.test("a bar takes what room there is", () => {
  const bars = [50, 60, 70, 90, 200].map((columns) =>
    lines([layer("a", { current: 5_000_000 })], columns)[0]!.match(/\[.*\]/)?.[0].length
  );
  assertEquals(bars, [undefined, 16, 26, 46, 52]);
});

Deno.test("what does not fit into the window's rows gives way to what is at work", () => {
  const layers = Array.from(
    { length: 30 },
    (_, index) =>
      layer(`${index}`, index < 20 ? { outcome: "Pull complete" } : index < 22 ? { current: 1_000_000 } : {}),
  );
  const drawn = lines(layers, 100, 8);
  assertEquals(drawn.length, 7);
  assertEquals(drawn.map((line) => line.split(":")[0]), ["20", "21", "26", "27", "28", "29", "Total"]);
  assertEquals(lines(layers, 100, 1).length, 2);
});
