/** Times as Go prints them. */

/** The year that Go's zero time.Time is in, as milliseconds since 1970. */
export const GO_ZERO_TIME = Date.parse("0001-01-01T00:00:00Z");

const two = (number: number) => String(number).padStart(2, "0");

/** A local time and its distance from UTC: `+0000`. */
function local(milliseconds: number): { date: string; clock: string; offset: number } {
  const time = new Date(milliseconds);
  const date = `${String(time.getFullYear()).padStart(4, "0")}-${two(time.getMonth() + 1)}-${
    two(time.getDate())
  }`;
  const clock = `${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())}`;
  return { date, clock, offset: -time.getTimezoneOffset() };
}

function formatOffset(minutes: number, separator: string): string {
  const distance = Math.abs(minutes);
  return `${minutes < 0 ? "-" : "+"}${two(Math.floor(distance / 60))}${separator}${two(distance % 60)}`;
}

/** time.Time's String(), to the second: `2026-11-23 15:36:25 +0000 UTC`. */
export function formatTime(milliseconds: number): string {
  const { date, clock, offset } = local(milliseconds);
  return `${date} ${clock} ${formatOffset(offset, "")} ${zoneName(milliseconds, offset)}`;
}

function zoneName(milliseconds: number, offset: number): string {
  if (offset === 0 && (Deno.env.get("TZ") ?? "UTC") === "UTC") return "UTC";
  const parts = new Intl.DateTimeFormat("en-US", { timeZoneName: "short" }).formatToParts(milliseconds);
  return parts.find(({ type }) => type === "timeZoneName")?.value ?? "UTC";
}

/** RFC 3339, to the second, in local time: `2026-11-23T15:36:25Z`. */
export function formatRfc3339(milliseconds: number): string {
  const { date, clock, offset } = local(milliseconds);
  return `${date}T${clock}${offset === 0 ? "Z" : formatOffset(offset, ":")}`;
}

/** The same with nine digits of the second, as docker's events have it. */
export function formatFixed(milliseconds: number): string {
  const rest = String(Math.floor(milliseconds) % 1000).padStart(3, "0");
  return formatRfc3339(milliseconds).replace(/(?<=T\d\d:\d\d:\d\d)/, `.${rest}000000`);
}
