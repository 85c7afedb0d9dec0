/** The names of the network interfaces of this process's network namespace (proc(5), /proc/net/dev). */
export function hostLinks(): string[] {
  return Deno.readTextFileSync("/proc/thread-self/net/dev").split("\n").slice(2)
    .map((line) => line.slice(0, line.indexOf(":")).trim())
    .filter((name) => name !== "");
}
