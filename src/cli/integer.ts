const DIGITS = /^([-+]?)(?:0x_?([\da-f_]+)|0b_?([01_]+)|0o?_?([0-7_]+)|(0|[1-9][\d_]*))$/i;

/**
 * A whole number as docker's flags take it (Go's strconv.ParseInt with base 0): `16`, `-16`, `0x10`, `0o20`, `020`, `0b10000`,
 * `1_600`.
 * @returns undefined for what is none. What JavaScript's numbers do not keep is rounded.
 */
export function parseInteger(text: string): number | undefined {
  const [, sign, hexadecimal, binary, octal, decimal] = DIGITS.exec(text) ?? [];
  if (sign === undefined || /__|_$/.test(text)) return undefined;
  const value = (digits: string | undefined, base: number) =>
    digits === undefined ? undefined : Number.parseInt(digits.replaceAll("_", ""), base);
  const size = value(hexadecimal, 16) ?? value(binary, 2) ?? value(octal, 8) ?? value(decimal, 10);
  return sign === "-" && size !== undefined && size !== 0 ? -size : size;
}
