/**
 * The iptables-restore(8) input that takes a chain out of every table: the jumps to it, its rules, itself.
 *
 * @param saved what iptables-save(8) printed
 * @returns an empty string when no table has the chain
 */
export function removalRules(saved: string, chain: string): string {
  let output = "";
  for (const block of saved.split(/^(?=\*)/m)) {
    const lines = block.split("\n");
    if (!lines.some((line) => line.startsWith(`:${chain} `))) continue;
    const jumps = lines.filter((line) => line.startsWith("-A ") && line.endsWith(` -j ${chain}`));
    const deletions = jumps.map((line) => `-D${line.slice(2)}`);
    output += [lines[0], ...deletions, `-F ${chain}`, `-X ${chain}`, "COMMIT", ""].join("\n");
  }
  return output;
}
