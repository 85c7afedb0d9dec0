/** Patterns for images' names, as docker has them (distribution/reference, FamiliarMatch; Go's path.Match). */
import { ImageError } from "../errors.ts";

/**
 * Whether a pattern fits a reference, or its repository.
 * @param reference familiar: `busybox:latest`, `team/app@sha256:...`
 * @throws {ImageError} when the pattern is malformed
 */
export function matchesReference(pattern: string, reference: string): boolean {
  const repository = reference.includes("@")
    ? reference.slice(0, reference.indexOf("@"))
    : reference.slice(0, reference.lastIndexOf(":"));
  const parts = parsePattern(pattern);
  return matches(parts, reference) || matches(parts, repository);
}

/** One character, or any number of them but `/`. */
type Part = "*" | ((character: string) => boolean);

function parsePattern(pattern: string): Part[] {
  const malformed = () =>
    new ImageError({
      what: `cannot use the pattern ${JSON.stringify(pattern)}`,
      why: "syntax error in pattern",
    });
  const parts: Part[] = [];
  const characters = [...pattern];
  for (let at = 0; at < characters.length; at++) {
    const character = characters[at]!;
    if (character === "*") {
      if (parts.at(-1) !== "*") parts.push("*");
    } else if (character === "?") parts.push((other) => other !== "/");
    else if (character === "[") {
      const { end, accepts } = parseClass(characters, at + 1, malformed);
      parts.push(accepts);
      at = end;
    } else {
      const literal = character === "\\" ? characters[++at] : character;
      if (literal === undefined) throw malformed();
      parts.push((other) => other === literal);
    }
  }
  return parts;
}

/** `[a-z]`, `[^abc]`. */
function parseClass(characters: readonly string[], start: number, malformed: () => Error) {
  let at = start;
  const negated = characters[at] === "^";
  if (negated) at++;
  const ranges: (readonly [string, string])[] = [];
  const take = () => {
    const character = characters[at++];
    const literal = character === "\\" ? characters[at++] : character;
    if (literal === undefined || (character !== "\\" && (literal === "-" || literal === "]"))) {
      throw malformed();
    }
    return literal;
  };
  while (characters[at] !== "]" || ranges.length === 0) {
    const low = take();
    if (characters[at] !== "-") ranges.push([low, low]);
    else {
      at++;
      ranges.push([low, take()]);
    }
  }
  const accepts = (other: string) => ranges.some(([low, high]) => low <= other && other <= high) !== negated;
  return { end: at, accepts };
}

/** Takes time in proportion to both lengths at most: a star that did not fit is tried one character further on. */
function matches(parts: readonly Part[], text: string): boolean {
  const characters = [...text];
  let part = 0;
  let star: { readonly part: number; at: number } | undefined;
  for (let at = 0; at < characters.length || part < parts.length;) {
    const expected = parts[part];
    if (expected === "*") {
      star = { part, at };
      part++;
    } else if (at < characters.length && expected !== undefined && expected(characters[at]!)) {
      part++;
      at++;
    } else if (star !== undefined && star.at < characters.length && characters[star.at] !== "/") {
      at = ++star.at;
      part = star.part + 1;
    } else return false;
  }
  return true;
}
