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
