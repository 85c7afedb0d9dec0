/** Text for a POSIX shell. */

/** A word that the shell takes as it is, quoted if need be. */
export function quote(text: string): string {
  return /^[A-Za-z0-9_\/.:=,@%+-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

/** A command line of words. */
export function commandLine(...words: readonly string[]): string {
  return words.map(quote).join(" ");
}

/** Lines moved to the right. */
export function indent(lines: readonly string[], by = "  "): string[] {
  return lines.map((line) => line === "" ? "" : `${by}${line}`);
}

/** A sentence as a comment. */
export function comment(why: string): string[] {
  return [`# ${why[0]?.toUpperCase()}${why.slice(1)}.`];
}

/**
 * A command with a here-document. What ends it is a line that it does not have itself: else an image could end it, and go on
 * in sh.
 */
export function document(command: string, lines: readonly string[]): string[] {
  const taken = new Set(lines.flatMap((line) => line.split("\n")));
  let end = "END";
  for (let number = 2; taken.has(end); number++) end = `END${number}`;
  return [`${command} <<'${end}'`, ...lines, end];
}
