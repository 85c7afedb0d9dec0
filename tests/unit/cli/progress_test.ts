import { assert, assertEquals } from "@std/assert";
import { PlainProgress, TerminalProgress } from "../../../src/cli/progress.ts";
import { FakeClock } from "../../support/clock.ts";

const ID = `sha256:${"0123456789abcdef".repeat(4)}`;
const OTHER = `sha256:${"f".repeat(64)}`;

/** A terminal that keeps what is on it: enough of ECMA-48 for what is drawn. */
class Screen {
  readonly rows: string[] = [""];
  #row = 0;
  size = { columns: 80, rows: 24 };
  writes = 0;

  readonly print = (text: string) => {
    this.writes++;
    // deno-lint-ignore no-control-regex -- what is written to a terminal
    for (const [part] of text.matchAll(/\x1b\[(\d*)[A-Z]|\n|\r|[^\x1b\n\r]+/g)) this.#take(part);
  };

  #take(part: string): void {
    if (part === "\n") this.rows[++this.#row] ??= "";
    else if (part === "\r" || part === "\x1b[K") return;
    else if (part === "\x1b[J") this.rows.length = this.#row + 1;
    else if (part.endsWith("A") && part.startsWith("\x1b")) this.#row -= Number(part.slice(2, -1));
    else this.rows[this.#row] = part;
    assert(this.#row >= 0, "above the screen");
  }
}

function open(patience: number) {
  const screen = new Screen();
  const clock = new FakeClock(patience);
  const progress = new TerminalProgress({ print: screen.print, clock, window: () => screen.size });
  return { screen, clock, progress };
}

Deno.test("lines stay where they are while they change, and the cursor rests below them", () => {
  const { screen, clock, progress } = open(0);
  screen.print("before\n");
  const one = progress.layer(ID, "Downloading", 100);
  clock.advance(100);
  const two = progress.layer(OTHER, "Downloading", 100);
  clock.advance(100);
  one.advance(50);
  clock.advance(100);
  one.done("Download complete");
  two.done("Already exists");
  progress[Symbol.dispose]();
  screen.print("after");
  assertEquals(screen.rows, [
    "before",
    "0123456789ab: Download complete",
    "ffffffffffff: Already exists",
    "Total: 2/2 layers, 50B/50B  500B/s",
    "after",
  ]);
});

Deno.test("it is drawn ten times a second at most, and the last change is not lost", async () => {
  const { screen, clock, progress } = open(1);
  const line = progress.layer(ID, "Downloading", 1000);
  assertEquals(screen.writes, 1);
  for (let time = 0; time < 99; time++) {
    clock.advance(1);
    line.advance(1);
  }
  assertEquals(screen.writes, 1);
  clock.advance(1);
  await Promise.resolve(); // the timer's turn
  await Promise.resolve();
  assertEquals(screen.writes, 2);
  assert(screen.rows[0]!.includes(" 99B/1kB "), screen.rows[0]);
});

Deno.test("each drawing has the width that the window has by then", () => {
  const { screen, clock, progress } = open(0);
  const line = progress.layer(ID, "Downloading", 1000);
  for (const columns of [120, 40, 20, 90]) {
    screen.size = { columns, rows: 24 };
    clock.advance(100);
    line.advance(1);
    assert(screen.rows[0]!.length < columns, `${columns} columns: ${screen.rows[0]}`);
  }
  assert(screen.rows[0]!.includes("["));
});

Deno.test("the same layer keeps its line when the work on it changes", () => {
  const { screen, clock, progress } = open(0);
  progress.layer(ID, "Pulling fs layer", 1000);
  progress.layer(ID, "Downloading", 1000).advance(1000);
  clock.advance(100);
  progress.layer(ID, "Extracting", 1000);
  progress[Symbol.dispose]();
  assertEquals(screen.rows, ["0123456789ab: Extracting", ""]);
});

Deno.test("the time that a layer was only announced does not slow its rate", () => {
  const { screen, clock, progress } = open(0);
  const line = progress.layer(ID, "Loading layer", 3000);
  clock.advance(60_000);
  line.advance(500);
  clock.advance(1000);
  line.advance(500);
  assert(screen.rows[0]!.endsWith("  1kB/3kB  1kB/s  2s left"), screen.rows[0]);
  progress[Symbol.dispose]();
});

Deno.test("nothing is drawn after the end", () => {
  const { screen, clock, progress } = open(0);
  const line = progress.layer(ID, "Downloading", 1000);
  progress[Symbol.dispose]();
  const { writes } = screen;
  clock.advance(1000);
  line.advance(1);
  progress[Symbol.dispose]();
  assertEquals(screen.writes, writes);
});

Deno.test("what no layer was worked on prints nothing", () => {
  const { screen, progress } = open(0);
  progress[Symbol.dispose]();
  assertEquals(screen.writes, 0);
});

Deno.test("into a file goes a line when work begins and one when it is done, nothing in between", () => {
  let text = "";
  const progress = new PlainProgress((part) => text += part);
  progress.layer(ID, "Pulling fs layer"); // announced, no more
  const line = progress.layer(ID, "Downloading");
  line.advance(1);
  line.advance(1);
  progress.layer(OTHER, "Already exists").done("Already exists");
  line.done("Download complete");
  assertEquals(
    text,
    "0123456789ab: Downloading\nffffffffffff: Already exists\n0123456789ab: Download complete\n",
  );
});
