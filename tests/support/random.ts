/** Random choices that a seed repeats: Tommy Ettinger's mulberry32, which is plenty for tests. */
export class Random {
  #state: number;

  /** @param seed any whole number of 32 bits */
  constructor(readonly seed: number) {
    this.#state = seed >>> 0;
  }

  /** A whole number of 32 bits. */
  word(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  }

  /** A whole number from `least` on, less than `limit`. */
  between(least: number, limit: number): number {
    return least + Math.floor(this.word() / 2 ** 32 * (limit - least));
  }

  below(limit: number): number {
    return this.between(0, limit);
  }

  /** @param probability from 0 to 1 */
  chance(probability: number): boolean {
    return this.word() / 2 ** 32 < probability;
  }

  pick<T>(choices: readonly T[]): T {
    return choices[this.below(choices.length)]!;
  }

  bytes(count: number): Uint8Array<ArrayBuffer> {
    return Uint8Array.from({ length: count }, () => this.word() & 0xff);
  }
}

/** The numbers from `first` on that a test takes as seeds; an environment variable `A` or `A-B` chooses others. */
export function seeds(variable: string, first: number, count: number): number[] {
  const [from = first, to] = (Deno.env.get(variable) ?? "").match(/\d+/g)?.map(Number) ?? [];
  const last = to ?? (Deno.env.has(variable) ? from : first + count - 1);
  return Array.from({ length: last - from + 1 }, (_, index) => from + index);
}
