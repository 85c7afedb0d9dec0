/** What a terminal shows of work on layers: a pure function of what was reported, the window and the time. */
import { humanSize } from "./human.ts";

/** What was reported of one layer. */
export interface LayerState {
  /** Docker's twelve digits. */
  readonly id: string;
  readonly action: string;
  /** Bytes of this action; undefined when nobody knows. */
  readonly total: number | undefined;
  readonly current: number;
  /** When the action began, in ms; undefined while it is only announced. */
  readonly since: number | undefined;
  /** When the first action on the layer began. */
  readonly begun: number | undefined;
  /** How it ended. */
  readonly outcome: string | undefined;
  /** Bytes of the actions before this one. */
  readonly before: number;
}

export interface Window {
  readonly columns: number;
  readonly rows: number;
}

const MIN_BAR = 10;
const MAX_BAR = 50;

/**
 * One line a layer, and one for all of them. No line is as wide as the window, so that none wraps; when there are more layers
 * than rows, those that are at work come first.
 * @param now in ms, as `since`
 */
export function renderProgress(
  layers: readonly LayerState[],
  { columns, rows }: Window,
  now: number,
): string[] {
  const room = Math.max(columns - 1, 1);
  // one row for the total, one for the cursor
  const shown = choose(layers, Math.max(rows - 2, 1));
  const lines = shown.map((layer) => layerLine(layer, room, now));
  if (layers.length > 1) lines.push(totalLine(layers, now));
  return lines.map((line) => line.slice(0, room).trimEnd());
}

/** Whatever fits, in its order: first what goes on, then what ended last. */
function choose(layers: readonly LayerState[], count: number): readonly LayerState[] {
  if (layers.length <= count) return layers;
  const isAtWork = ({ outcome, current }: LayerState) => outcome === undefined && current > 0;
  const ranks = [isAtWork, (layer: LayerState) => layer.outcome === undefined, () => true];
  const ranked = ranks.flatMap((isMeant) => layers.toReversed().filter(isMeant));
  const chosen = new Set([...new Set(ranked)].slice(0, count));
  return layers.filter((layer) => chosen.has(layer));
}

function layerLine(layer: LayerState, room: number, now: number): string {
  const { id, action, total, current, since, outcome } = layer;
  if (outcome !== undefined) return `${id}: ${outcome}`;
  const start = `${id}: ${action}`;
  if (current <= 0) return start;
  if (total === undefined) return `${start}  ${humanSize(current)}  ${rate(current, now - (since ?? now))}`;
  const figures = `${humanSize(current)}/${humanSize(total)}  ${pace(current, total, now - (since ?? now))}`;
  // two brackets, two gaps of one and two
  const width = Math.min(room - start.length - figures.length - 5, MAX_BAR);
  return width < MIN_BAR ? `${start}  ${figures}` : `${start} ${bar(current / total, width)}  ${figures}`;
}

function bar(part: number, width: number): string {
  const filled = Math.min(Math.floor(part * width), width);
  return `[${`${"=".repeat(filled)}>`.slice(0, width).padEnd(width)}]`;
}

function totalLine(layers: readonly LayerState[], now: number): string {
  const known = layers.filter(({ total, current }) => total !== undefined || current > 0);
  const sum = (bytes: (layer: LayerState) => number) => known.reduce((all, layer) => all + bytes(layer), 0);
  const current = sum((layer) => layer.before + layer.current);
  // of what has ended nothing is left, whatever was announced
  const left = sum(({ total, current, outcome }) =>
    outcome === undefined ? Math.max((total ?? 0) - current, 0) : 0
  );
  const ended = layers.filter(({ outcome }) => outcome !== undefined).length;
  const start = `Total: ${ended}/${layers.length} layers`;
  if (current <= 0) return start;
  const begun = Math.min(...layers.map((layer) => layer.begun ?? now));
  return `${start}, ${humanSize(current)}/${humanSize(current + left)}  ${
    pace(current, current + left, now - begun)
  }`;
}

/** Rate and time left. */
function pace(current: number, total: number, elapsed: number): string {
  const left = elapsed > 0 && current > 0 ? (total - current) / (current / elapsed) : undefined;
  return left === undefined || left <= 0
    ? rate(current, elapsed)
    : `${rate(current, elapsed)}  ${timeLeft(left)} left`;
}

function rate(bytes: number, elapsed: number): string {
  return elapsed > 0 ? `${humanSize(Math.round(bytes / elapsed * 1000))}/s` : "";
}

/** `7s`, `3m05s`, `2h10m` */
function timeLeft(milliseconds: number): string {
  const seconds = Math.ceil(milliseconds / 1000);
  const pair = (big: number, small: number, units: readonly [string, string]) =>
    `${big}${units[0]}${String(small).padStart(2, "0")}${units[1]}`;
  if (seconds < 60) return `${seconds}s`;
  if (seconds < 3600) return pair(Math.floor(seconds / 60), seconds % 60, ["m", "s"]);
  return pair(Math.floor(seconds / 3600), Math.floor(seconds % 3600 / 60), ["h", "m"]);
}
