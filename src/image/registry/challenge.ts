/** How a server wants to be convinced: the header WWW-Authenticate (RFC 9110, section 11.6.1). */
export interface Challenge {
  /** In small letters: `basic`, `bearer`. */
  readonly scheme: string;
  /** By their names in small letters. */
  readonly parameters: ReadonlyMap<string, string>;
}

const TOKEN = "[!#$%&'*+.^_`|~0-9A-Za-z-]+";
const PARAMETER = new RegExp(`(${TOKEN})[ \\t]*=[ \\t]*(?:"((?:[^"\\\\]|\\\\.)*)"|(${TOKEN}))`, "y");
/** A scheme, perhaps with a lone token68 after it, that no scheme known here uses. */
const SCHEME = new RegExp(
  `(${TOKEN})(?:[ \\t]+(?!${TOKEN}[ \\t]*=[ \\t]*["!#$%&'*+.^_\`|~0-9A-Za-z-])[A-Za-z0-9._~+/-]+=*)?`,
  "y",
);
const SEPARATOR = /[ \t,]*/y;

/**
 * All challenges of an answer, in order. What cannot be understood ends the list.
 * @param header several headers are joined with commas, as Headers.get() does
 */
export function parseChallenges(header: string): Challenge[] {
  const challenges: { scheme: string; parameters: Map<string, string> }[] = [];
  let position = 0;
  const match = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = position;
    const found = pattern.exec(header);
    if (found !== null) position = pattern.lastIndex;
    return found;
  };
  while (match(SEPARATOR) !== null && position < header.length) {
    // a parameter belongs to the scheme before it; a scheme is not followed by an equals sign
    const parameter = challenges.length > 0 ? match(PARAMETER) : null;
    if (parameter !== null) {
      const [, name, quoted, plain] = parameter;
      challenges.at(-1)!.parameters.set(name!.toLowerCase(), quoted?.replace(/\\(.)/g, "$1") ?? plain!);
      continue;
    }
    const scheme = match(SCHEME);
    if (scheme === null) break;
    challenges.push({ scheme: scheme[1]!.toLowerCase(), parameters: new Map() });
  }
  return challenges;
}
