/** Sizes as docker's users write them. */

const UNITS: Readonly<Record<string, number>> = {
  "": 1,
  k: 1024,
  m: 1024 ** 2,
  g: 1024 ** 3,
  t: 1024 ** 4,
  p: 1024 ** 5,
};

/**
 * Bytes (github.com/docker/go-units, RAMInBytes): `64m`, `1.5GB`, `100 kib`.
 * @returns undefined for what is no size
 */
export function parseSize(text: string): number | undefined {
  const [, digits, unit = ""] = /^(\d+(?:\.\d+)?) ?(?:([kmgtp])i?)?b?$/i.exec(text) ?? [];
  const size = Math.floor(Number(digits) * UNITS[unit.toLowerCase()]!);
  return Number.isSafeInteger(size) ? size : undefined;
}
