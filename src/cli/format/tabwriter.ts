/** Docker's tables: at least ten columns of a terminal for each cell, three between the longest and the next. */
const MIN_WIDTH = 10;
const GAP = 3;

/**
 * Lines up the cells of lines, as Go's text/tabwriter does with docker's settings. A cell ends with a tab; what follows the last
 * one is not padded. A column is as wide as the widest of its cells in the lines that have it and follow each other.
 * @param minWidth of a cell; docker's usual
 */
export function alignTabs(text: string, minWidth = MIN_WIDTH): string {
  const lines = text.split("\n").map((line) => line.split("\t"));
  const widths = lines.map((): number[] => []);
  const columns = lines.reduce((most, cells) => Math.max(most, cells.length - 1), 0);
  for (let column = 0; column < columns; column++) {
    for (let start = 0; start < lines.length; start++) {
      if (!hasColumn(lines[start]!, column)) continue;
      let end = start;
      let width = minWidth;
      while (end < lines.length && hasColumn(lines[end]!, column)) {
        width = Math.max(width, widthOf(lines[end++]![column]!) + GAP);
      }
      for (let line = start; line < end; line++) widths[line]![column] = width;
      start = end;
    }
  }
  return lines.map((cells, line) => alignLine(cells, widths[line]!)).join("\n");
}

const hasColumn = (cells: readonly string[], column: number) => column < cells.length - 1;
// deno-lint-ignore no-control-regex -- all of ASCII
const ASCII = /^[\x00-\x7f]*$/;
const widthOf = (text: string) => ASCII.test(text) ? text.length : [...text].length;

function alignLine(cells: readonly string[], widths: readonly number[]): string {
  return cells.map((cell, column) => cell + " ".repeat(Math.max(0, (widths[column] ?? 0) - widthOf(cell))))
    .join("");
}
