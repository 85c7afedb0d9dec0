import { assertEquals } from "@std/assert";
import { alignTabs } from "../../../../src/cli/format/tabwriter.ts";

const CASES: readonly [name: string, text: string, aligned: string][] = [
  ["columns are ten wide at least", "A\tB\nx\ty\n", "A         B\nx         y\n"],
  [
    "or three wider than what is in them",
    "REPOSITORY\tTAG\nbusybox\t1\n",
    "REPOSITORY   TAG\nbusybox      1\n",
  ],
  ["the last cell of a line is not filled up", "a\tb\na\tbbb\n", "a         b\na         bbb\n"],
  ["an empty last cell leaves the cell before it filled up", "a\tb\t\n", "a         b         \n"],
  [
    "a line without a column ends it",
    "a\tb\nlong long long\na\tb\n",
    "a         b\nlong long long\na         b\n",
  ],
  [
    "a column's width is that of the lines that follow each other",
    "a\tb\tc\naaaaaaaaaaaa\tb\nlast\na\tb\n",
    "a              b         c\naaaaaaaaaaaa   b\nlast\na         b\n",
  ],
  [
    "characters are counted, not UTF-16 units",
    "\u{1f600}\u{1f600}éé\tb\nx\ty\n",
    "\u{1f600}\u{1f600}éé      b\nx         y\n",
  ],
  ["text without tabs stays as it is", "a\n\nb", "a\n\nb"],
];

for (const [name, text, aligned] of CASES) {
  Deno.test(`in a table, ${name}`, () => assertEquals(alignTabs(text), aligned));
}
