import { SIGNALS } from "../../../ffi/constants.ts";

/** Names of real-time signals follow from these two (signal(7), as glibc counts them). */
const SIGRTMIN = 34;
const SIGRTMAX = 64;

/**
 * A signal as users write it: `TERM`, `SIGTERM`, `15`, `RTMIN+3`.
 * @returns its name, or the number of one that has none; undefined when there is no such signal
 */
export function signalName(text: string): string | undefined {
  const number = signalNumber(text);
  if (number === undefined) return undefined;
  return Object.entries(SIGNALS).find(([, value]) => value === number)?.[0] ?? String(number);
}

/** The number of a signal; undefined when there is none of that name. */
export function signalNumber(text: string): number | undefined {
  if (/^\d{1,2}$/.test(text)) {
    const number = Number(text);
    return number >= 1 && number <= SIGRTMAX ? number : undefined;
  }
  const name = text.toUpperCase().replace(/^(?!SIG)/, "SIG");
  if (Object.hasOwn(SIGNALS, name)) return SIGNALS[name as keyof typeof SIGNALS];
  const [, from, sign, distance = "0"] = /^SIGRT(MIN|MAX)(?:([+-])(\d{1,2}))?$/.exec(name) ?? [];
  if (from === undefined || (sign === "-") !== (from === "MAX" && distance !== "0")) return undefined;
  const number = from === "MIN" ? SIGRTMIN + Number(distance) : SIGRTMAX - Number(distance);
  return number >= SIGRTMIN && number <= SIGRTMAX ? number : undefined;
}
