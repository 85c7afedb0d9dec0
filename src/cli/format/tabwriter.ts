/** Docker's tables: at least ten columns of a terminal for each cell, three between the longest and the next. */
const MIN_WIDTH = 10;
const GAP = 3;

/**
 * Lines up the cells of lines, as Go's text/tabwriter does with docker's settings. A cell ends with a tab; what follows the last
 * one is not padded. A column is as wide as the widest of its cells in the lines that have it and follow each other.
 * @param minWidth of a cell; docker's usual
 */
export function alignTabs(text: string, minWidth = MIN_WIDTH): string {
  // in the usual text, each UTF-16 unit is a character
  const isPlain = ASCII.test(text);
  const widthOf = (cell: string) => isPlain ? cell.length : [...cell].length;
  const lines = text.split("\n").map((line) => line.split("\t"));
  const columns = lines.reduce((most, cells) => Math.max(most, cells.length - 1), 0);
  for (let column = 0; column < columns; column++) {
    for (let start = 0, end = 0; start < lines.length; start = end + 1) {
      let width = minWidth - GAP;
      for (end = start; end < lines.length && column < lines[end]!.length - 1; end++) {
        width = Math.max(width, widthOf(lines[end]![column]!));
      }
      for (let index = start; index < end; index++) {
        const cells = lines[index]!;
        const cell = cells[column]!;
        cells[column] = cell.padEnd(width + GAP + cell.length - widthOf(cell));
      }
    }
  }
  return lines.map((cells) => cells.join("")).join("\n");
}

// deno-lint-ignore no-control-regex -- all of ASCII
const ASCII = /^[\x00-\x7f]*$/;
