/** Docker's tables: at least ten columns of a terminal for each cell, three between the longest and the next. */
const MIN_WIDTH = 10;
const GAP = 3;

/** Lines up rows of text, the header first. The last column is not padded. */
export function formatTable(rows: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const row of rows) {
    row.forEach((cell, column) => {
      widths[column] = Math.max(widths[column] ?? MIN_WIDTH, cell.length + GAP);
    });
  }
  const line = (row: readonly string[]) =>
    row.map((cell, column) => column === row.length - 1 ? cell : cell.padEnd(widths[column]!)).join("");
  return rows.map((row) => `${line(row)}\n`).join("");
}
