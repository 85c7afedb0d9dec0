/** Questions to the person at the terminal. */
import { print } from "./output.ts";

const BACKSPACES = ["\x7f", "\b"];
const END_OF_INPUT = "\x04";

/**
 * Asks for a line.
 * @param isSecret it does not appear while it is typed
 * @param signal breaks off; the terminal is as it was then
 * @returns undefined at the end of the input
 */
export async function ask(
  question: string,
  isSecret: boolean,
  signal: AbortSignal,
): Promise<string | undefined> {
  // keys come one by one then, and are not shown; ^C still is a signal. Before the question: whoever sees that may type
  if (isSecret) Deno.stdin.setRaw(true, { cbreak: true });
  try {
    print(question);
    return await readLine(isSecret, signal);
  } finally {
    if (isSecret) {
      Deno.stdin.setRaw(false);
      print("\n");
    }
  }
}

/** A character at a time, so that what follows the line is left for the next question. */
async function readLine(isRaw: boolean, signal: AbortSignal): Promise<string | undefined> {
  const aborted = Promise.withResolvers<never>();
  const onAbort = () => aborted.reject(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  aborted.promise.catch(() => {}); // it may come when nobody reads
  const bytes: number[] = [];
  const byte = new Uint8Array(1);
  try {
    while (true) {
      signal.throwIfAborted();
      const count = await Promise.race([Deno.stdin.read(byte), aborted.promise]);
      const key = String.fromCharCode(byte[0]!);
      const isEnd = count === null || (isRaw && key === END_OF_INPUT);
      if (isEnd && bytes.length === 0) return undefined;
      if (isEnd || key === "\n" || key === "\r") return new TextDecoder().decode(Uint8Array.from(bytes));
      if (isRaw && BACKSPACES.includes(key)) removeCharacter(bytes);
      else bytes.push(byte[0]!);
    }
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

/** In UTF-8 the bytes after a character's first begin with 10. */
function removeCharacter(bytes: number[]): void {
  for (let last = bytes.pop(); last !== undefined && (last & 0xc0) === 0x80;) last = bytes.pop();
}
