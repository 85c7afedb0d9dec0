/** The keys with which somebody leaves a container's terminal without ending what runs there. */

/** docker's. */
export const USUAL_DETACH_KEYS = "ctrl-p,ctrl-q";

/** More make no sense, and those that came already are held back. */
const MOST_KEYS = 32;

/**
 * Reads docker's syntax (github.com/moby/term, ToBytes): keys with commas between them, each a character or `ctrl-` and one of
 * `a-z`, `@`, `[`, `\`, `]`, `^`, `_`. An empty text means no keys.
 * @returns their bytes; undefined when it is none of that
 */
export function parseDetachKeys(text: string): Uint8Array | undefined {
  if (text === "") return new Uint8Array();
  const bytes = [];
  for (const key of text.split(",")) {
    const control = /^ctrl-([a-zA-Z@[\\\]^_])$/i.exec(key)?.[1];
    if (control !== undefined) bytes.push(control.toUpperCase().charCodeAt(0) & 0x1f);
    else if (key.length === 1 && key.charCodeAt(0) < 0x80) bytes.push(key.charCodeAt(0));
    else return undefined;
  }
  return bytes.length > MOST_KEYS ? undefined : Uint8Array.from(bytes);
}

/** Looks for the keys in what is typed. */
export class DetachKeys {
  /** How many of the keys have come, and are held back until it is clear what they mean. */
  #held = 0;

  constructor(readonly keys: Uint8Array) {}

  /** @returns what is to be passed on, and whether the keys have come: what follows them is nobody's */
  feed(typed: Uint8Array): { readonly pass: Uint8Array; readonly isLeaving: boolean } {
    const { keys } = this;
    if (keys.length === 0) return { pass: typed, isLeaving: false };
    const pass: number[] = [];
    for (const byte of typed) {
      if (byte === keys[this.#held]) {
        this.#held++;
        if (this.#held === keys.length) return { pass: Uint8Array.from(pass), isLeaving: true };
        continue;
      }
      // what was held may end in the beginning of the keys: a, a, b when a, b are meant
      const all = [...keys.subarray(0, this.#held), byte];
      this.#held = 0;
      for (let size = Math.min(all.length, keys.length - 1); size > 0; size--) {
        if (all.slice(-size).every((value, index) => value === keys[index])) {
          this.#held = size;
          break;
        }
      }
      pass.push(...all.slice(0, all.length - this.#held));
    }
    return { pass: Uint8Array.from(pass), isLeaving: false };
  }
}
