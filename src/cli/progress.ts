/** Progress: lines that move on a terminal, plain ones elsewhere. */
import { type Clock, SYSTEM_CLOCK } from "../clock.ts";
import { type LayerProgress, type Progress, QUIET } from "../image/progress.ts";
import { type Output, STANDARD_OUTPUT } from "./output.ts";
import { type LayerState, renderProgress, type Window } from "./progress_lines.ts";

/** Progress that has an end: what is printed after it must not be drawn over. */
export interface DisposableProgress extends Progress, Disposable {}

/** For the command's user. @param isQuiet `--quiet` */
export function openProgress(isQuiet: boolean, output: Output = STANDARD_OUTPUT): DisposableProgress {
  if (isQuiet) return { ...QUIET, [Symbol.dispose]() {} };
  if (!output.isTerminal()) return new PlainProgress(output.print);
  return new TerminalProgress({ print: output.print, clock: SYSTEM_CLOCK, window });
}

/** The terminal's; some, such as serial lines, do not know theirs and say 0. */
function window(): Window {
  const { columns, rows } = Deno.consoleSize();
  return { columns: columns || 80, rows: rows || 24 };
}

/** Docker shows so many digits of a digest. */
const SHORT_ID = 12;

function shortId(id: string): string {
  return id.replace(/^sha256:/, "").slice(0, SHORT_ID);
}

/** A line when work on a layer begins, and one when it is done, as docker prints them into a pipe. */
export class PlainProgress implements DisposableProgress {
  constructor(readonly print: (text: string) => void) {}

  layer(id: string, action: string): LayerProgress {
    let isDone = false;
    const say = (what: string) => this.print(`${shortId(id)}: ${what}\n`);
    return {
      advance: () => {
        // what is announced may turn out not to be needed
        if (!isDone) say(action);
        isDone = true;
      },
      done: (how) => {
        isDone = true;
        say(how);
      },
    };
  }

  [Symbol.dispose](): void {}
}

export interface Terminal {
  readonly print: (text: string) => void;
  readonly clock: Clock;
  /** Asked before each drawing: windows are dragged. */
  readonly window: () => Window;
}

/** Not more often, in ms. */
const INTERVAL = 100;

/** Up one row; and erase from the cursor to the end of the row, or of the screen (ECMA-48: CUU, EL, ED). */
const UP = (rows: number) => `\x1b[${rows}A`;
const ERASE_ROW = "\x1b[K";
const ERASE_BELOW = "\x1b[J";

/**
 * A block of lines that is drawn over and over. The cursor stays visible and rests below the block, so that nothing has to be
 * restored, however this process ends.
 */
export class TerminalProgress implements DisposableProgress {
  readonly #layers = new Map<string, LayerState>();
  readonly #ended = new AbortController();
  #drawnRows = 0;
  #isScheduled = false;
  #lastDrawn = -Infinity;

  constructor(readonly terminal: Terminal) {}

  layer(id: string, action: string, total: number | undefined): LayerProgress {
    const old = this.#layers.get(id);
    // an action that was only announced has done nothing
    const before = old === undefined ? 0 : old.before + old.current;
    const update = (change: (state: LayerState) => Partial<LayerState>) => {
      const state = this.#layers.get(id)!;
      this.#layers.set(id, { ...state, ...change(state) });
      this.#schedule();
    };
    this.#layers.set(id, {
      id: shortId(id),
      action,
      total,
      current: 0,
      since: undefined,
      begun: old?.begun,
      outcome: undefined,
      before,
    });
    this.#schedule();
    return {
      advance: (bytes) =>
        update(({ current, since, begun }) => {
          const now = this.terminal.clock.now();
          return { current: current + bytes, since: since ?? now, begun: begun ?? now };
        }),
      done: (outcome) => update(() => ({ outcome })),
    };
  }

  /** Draws now, or as soon as the last drawing is old enough. */
  #schedule(): void {
    if (this.#isScheduled || this.#ended.signal.aborted) return;
    const { clock } = this.terminal;
    const wait = this.#lastDrawn + INTERVAL - clock.now();
    if (wait <= 0) return this.#draw();
    this.#isScheduled = true;
    clock.sleep(wait, this.#ended.signal).then(() => {
      this.#isScheduled = false;
      this.#draw();
    }, () => {}); // ended meanwhile: dispose() has drawn
  }

  #draw(): void {
    const { print, clock, window } = this.terminal;
    this.#lastDrawn = clock.now();
    const size = window();
    const lines = renderProgress([...this.#layers.values()], size, this.#lastDrawn);
    const up = Math.min(this.#drawnRows, size.rows - 1);
    print(`${up > 0 ? UP(up) : ""}\r${lines.map((line) => `${line}${ERASE_ROW}\n`).join("")}${ERASE_BELOW}`);
    this.#drawnRows = lines.length;
  }

  /** Draws the end, and leaves it there. */
  [Symbol.dispose](): void {
    if (this.#ended.signal.aborted) return;
    this.#ended.abort();
    if (this.#layers.size > 0) this.#draw();
  }
}
