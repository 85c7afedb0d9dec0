import type { UsageError } from "../errors.ts";

/** `NAME=VALUE` as it is; `NAME` with the caller's value, or by itself if the caller has none, which takes it away. */
export function readVariable(entry: string, wrong: (why: string) => UsageError): string[] {
  const name = entry.split("=", 1)[0] ?? "";
  if (name === "") throw wrong(`${JSON.stringify(entry)} is not a variable`);
  if (entry.includes("=")) return [entry];
  const value = Deno.env.get(name);
  return [value === undefined ? name : `${name}=${value}`];
}
