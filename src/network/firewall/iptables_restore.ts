/** What iptables-restore(8) is to be given, by what iptables-save(8) says of the host. */
import type { Table } from "./iptables_rules.ts";

/** A table as iptables-save prints it, without counters. */
interface SavedTable {
  /** The chains, and how many rules each has. */
  readonly chains: ReadonlyMap<string, number>;
  /** `-A ...`, in their order. */
  readonly rules: readonly string[];
}

/** @param saved what iptables-save printed */
function readSaved(saved: string): Map<string, SavedTable> {
  const tables = new Map<string, SavedTable>();
  for (const block of saved.split(/^(?=\*)/m)) {
    const lines = block.split("\n");
    const [, name] = /^\*(\S+)/.exec(lines[0] ?? "") ?? [];
    if (name === undefined) continue;
    const chains = new Map<string, number>();
    for (const line of lines) {
      const [, declared] = /^:(\S+) /.exec(line) ?? [];
      if (declared !== undefined) chains.set(declared, 0);
      const [, chain] = /^-A (\S+)/.exec(line) ?? [];
      if (chain !== undefined) chains.set(chain, (chains.get(chain) ?? 0) + 1);
    }
    tables.set(name, { chains, rules: lines.filter((line) => line.startsWith("-A ")) });
  }
  return tables;
}

const NO_TABLE: SavedTable = { chains: new Map(), rules: [] };

/** The rules of the system's chains that lead to one of dhow's. */
const jumpsTo = ({ rules }: SavedTable, chain: string) =>
  rules.filter((line) => line.endsWith(` -j ${chain}`));

function isIntact({ chains }: Table, saved: SavedTable): boolean {
  return chains.every(({ name, jumps, rules }) => {
    const present = jumpsTo(saved, name).map((line) => line.split(" ")[1]);
    const wanted = jumps.map(([from]) => from);
    return saved.chains.get(name) === rules.length && present.length === wanted.length &&
      wanted.every((from) => present.includes(from));
  });
}

/**
 * What makes chains and the jumps to them what they should be. The jumps come first; where they are there, each once, their place
 * is left: somebody may have put a rule before them on purpose.
 *
 * @param saved what iptables-save printed; empty where they are known not to be there
 * @param all also what seems to be in order: rules are counted, not read
 * @returns an empty string when nothing is to be done
 */
export function repair(tables: readonly Table[], saved: string, { all = false } = {}): string {
  const present = readSaved(saved);
  return tables.map((table) => {
    const found = present.get(table.table) ?? NO_TABLE;
    if (!all && isIntact(table, found)) return "";
    const jumps = table.chains.flatMap(({ name, jumps }) => [
      ...jumpsTo(found, name).map((line) => `-D${line.slice(2)}`),
      ...jumps.map(([from, match]) => jump("-I", from, match, name)),
    ]);
    return block(table.table, [...chainsOf(table), ...jumps]);
  }).join("");
}

/**
 * What takes rules out of a chain of the nat table, and puts others in. It costs little where nothing is taken out: for what is, the kernel
 * has a program wait until no processor looks at it any more, 10 to 20 ms.
 * @returns an empty string when they are the same
 */
export function exchange(chain: string, before: readonly string[], after: readonly string[]): string {
  const only = (rules: readonly string[], others: readonly string[], verb: string) =>
    rules.filter((rule) => !others.includes(rule)).map((rule) => `${verb} ${chain} ${rule}`);
  const lines = [...only(before, after, "-D"), ...only(after, before, "-A")];
  return lines.length === 0 ? "" : block("nat", lines);
}

/** Chains that are declared are made, or emptied. */
function chainsOf({ chains }: Table): string[] {
  return [
    ...chains.map(({ name }) => `:${name} - [0:0]`),
    ...chains.flatMap(({ name, rules }) => rules.map((rule) => `-A ${name} ${rule}`)),
  ];
}

/**
 * What takes chains out of every table, and the jumps to them.
 * @param saved what iptables-save printed
 * @returns an empty string when there is none
 */
export function removal(chains: readonly string[], saved: string): string {
  return [...readSaved(saved)].map(([name, table]) => {
    const present = chains.filter((chain) => table.chains.has(chain));
    const jumps = present.flatMap((chain) => jumpsTo(table, chain)).map((line) => `-D${line.slice(2)}`);
    return present.length === 0 ? "" : block(name, [...jumps, ...deletions(present)]);
  }).join("");
}

/** The same where all is as repair() has made it. */
export function reverse(tables: readonly Table[]): string {
  return tables.map(({ table, chains }) => {
    const jumps = chains.flatMap(({ name, jumps }) =>
      jumps.map(([from, match]) => jump("-D", from, match, name))
    );
    return block(table, [...jumps, ...deletions(chains.map(({ name }) => name))]);
  }).join("");
}

const jump = (verb: "-I" | "-D", from: string, match: string, name: string) =>
  [verb, from, ...(match === "" ? [] : [match]), "-j", name].join(" ");

const deletions = (chains: readonly string[]) =>
  ["-F", "-X"].flatMap((verb) => chains.map((name) => `${verb} ${name}`));

function block(table: string, lines: readonly string[]): string {
  return [`*${table}`, ...lines, "COMMIT", ""].join("\n");
}

/** How many changes the kernel will make: one a table. */
export function countCommits(input: string): number {
  return input.match(/^COMMIT$/gm)?.length ?? 0;
}
