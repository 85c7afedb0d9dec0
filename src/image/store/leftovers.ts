/** What killed commands may have left of layers, indexes and copies: looked for at every start, so apart from what removes it. */
import type { Database } from "../../state/database.ts";
import { entriesIn } from "../../state/read.ts";

/** The tables of NumberedFiles. */
export type NumberedTable = "layers" | "indexes" | "copies";

/** Names of files that no row speaks of. They are listed before the rows, because a row is there before its files. */
export function filesWithoutRow(database: Database, table: NumberedTable, folder: string): string[] {
  const files = entriesIn(folder).map(({ name }) => name);
  if (files.length === 0) return files;
  const rows = database.all<{ number: number }>(`SELECT number FROM ${table}`);
  const numbers = new Set(rows.map(({ number }) => number));
  return files.filter((name) => !numbers.has(parseInt(name, 10)));
}

/** Whether there is something that no image has, or not yet. */
export function hasLeftovers(database: Database, table: NumberedTable, folder: string): boolean {
  return filesWithoutRow(database, table, folder).length > 0 ||
    database.get(`SELECT 1 FROM ${table} WHERE NOT ready LIMIT 1`) !== undefined;
}
