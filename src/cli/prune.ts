/** What the pruning commands have in common. */
import { humanSize } from "./human.ts";
import { print } from "./output.ts";

/** The last line that they print. */
export const reclaimed = (bytes: number) => `Total reclaimed space: ${humanSize(bytes, 4)}\n`;

/** Asks whether to go on. Anything but y is a no. */
export function confirm(warning: string): boolean {
  print(`WARNING! ${warning}\nAre you sure you want to continue? [y/N] `);
  const answer = new Uint8Array(64);
  const length = Deno.stdin.readSync(answer) ?? 0;
  return /^y\s*$/i.test(new TextDecoder().decode(answer.subarray(0, length)));
}
