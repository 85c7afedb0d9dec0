import { readIfThere } from "../state/read.ts";

/** The names of the network interfaces of this process's network namespace (proc(5), /proc/net/dev). */
export function hostLinks(): string[] {
  return namesIn(Deno.readTextFileSync("/proc/thread-self/net/dev"));
}

/** Those of another process's; none when it has ended. */
export function linksOf(pid: number): string[] {
  return namesIn(readIfThere(`/proc/${pid}/net/dev`) ?? "");
}

function namesIn(text: string): string[] {
  return text.split("\n").slice(2)
    .map((line) => line.slice(0, line.indexOf(":")).trim())
    .filter((name) => name !== "");
}
