/** Go's time.Duration, in which docker's options and images give times: numbers of nanoseconds. */

const UNITS: Readonly<Record<string, number>> = {
  ns: 1,
  us: 1e3,
  "µs": 1e3, // micro sign
  "μs": 1e3, // Greek mu
  ms: 1e6,
  s: 1e9,
  m: 60e9,
  h: 3600e9,
};

/** What an int64 holds. */
const LONGEST = 2 ** 63;

/**
 * Reads `1m30s`, `1.5h`, `-200ms`, `0` (time.ParseDuration).
 * @returns nanoseconds
 * @throws {SyntaxError} in Go's words
 */
export function parseDuration(text: string): number {
  const quoted = JSON.stringify(text);
  const invalid = () => new SyntaxError(`time: invalid duration ${quoted}`);
  const rest = text.replace(/^[-+]/, "");
  if (rest === "0") return 0;
  if (rest === "") throw invalid();
  const part = /(\d+\.?\d*|\.\d+)([^\d.]*)/y;
  let nanoseconds = 0;
  while (part.lastIndex < rest.length) {
    const [, number, unit = ""] = part.exec(rest) ?? [];
    if (number === undefined) throw invalid();
    if (unit === "") throw new SyntaxError(`time: missing unit in duration ${quoted}`);
    const size = Object.hasOwn(UNITS, unit) ? UNITS[unit] : undefined;
    if (size === undefined) {
      throw new SyntaxError(`time: unknown unit ${JSON.stringify(unit)} in duration ${quoted}`);
    }
    nanoseconds += Number(number) * size;
  }
  if (nanoseconds >= LONGEST) throw invalid();
  return Math.round(text.startsWith("-") ? -nanoseconds : nanoseconds);
}

/** time.Duration's String(): `1h0m30s`, `1.5s`, `200ms`. */
export function formatDuration(nanoseconds: number): string {
  const size = Math.abs(nanoseconds);
  const sign = nanoseconds < 0 ? "-" : "";
  if (size === 0) return "0s";
  if (size < 1e3) return `${sign}${size}ns`;
  if (size < 1e6) return `${sign}${size / 1e3}µs`;
  if (size < 1e9) return `${sign}${size / 1e6}ms`;
  const seconds = Math.floor(size / 1e9);
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor(seconds / 60) % 60;
  const rest = Number((seconds % 60 + (size % 1e9) / 1e9).toFixed(9));
  const before = hours > 0 ? `${hours}h${minutes}m` : minutes > 0 ? `${minutes}m` : "";
  return `${sign}${before}${rest}s`;
}
