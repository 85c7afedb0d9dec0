import { assertEquals, assertThrows } from "@std/assert";
import { expandWord, splitWords } from "../../../../src/image/change/words.ts";

const VARIABLES = new Map([["NAME", "value"], ["EMPTY", ""], ["_1", "under"]]);
const expand = (word: string) => expandWord(word, (name) => VARIABLES.get(name));

for (
  const [text, expected] of [
    ["a b\tc", ["a", "b", "c"]],
    ["  a  ", ["a"]],
    ["", []],
    ['A="b c" D', ['A="b c"', "D"]],
    ["A='b \" c'", ["A='b \" c'"]],
    ["a\\ b c", ["a\\ b", "c"]],
    ['"a\\" b" c', ['"a\\" b"', "c"]],
    ['a "b c', ["a", '"b c']],
    ["a\\", ["a\\"]],
  ] as const
) {
  Deno.test(`the words of ${JSON.stringify(text)}`, () => {
    assertEquals(splitWords(text), [...expected]);
  });
}

for (
  const [word, expected] of [
    ["plain", "plain"],
    ["$NAME-x", "value-x"],
    ["${NAME}x", "valuex"],
    ["$_1", "under"],
    ["$MISSING.", "."],
    ["${MISSING:-default}", "default"],
    ["${EMPTY:-default}", "default"],
    ["${EMPTY-default}", ""],
    ["${NAME:+other}", "other"],
    ["${EMPTY:+other}", ""],
    ["${EMPTY+other}", "other"],
    ["${MISSING:-a${NAME}b}", "avalueb"],
    ["${NAME:?is missing}", "value"],
    ["'$NAME'", "$NAME"],
    ["\"$NAME 'x'\"", "value 'x'"],
    ['"a\\"b\\$c\\n"', 'a"b$c\\n'],
    ["a\\ b\\$c", "a b$c"],
    ["100$", "100$"],
    ["a'b'\"c\"d", "abcd"],
  ] as const
) {
  Deno.test(`the word ${word} stands for ${JSON.stringify(expected)}`, () => {
    assertEquals(expand(word), expected);
  });
}

for (const word of ["'a", '"a', "${NAME", "${}", "${NAME!x}", "${MISSING:?is missing}"]) {
  Deno.test(`the word ${word} is refused`, () => {
    assertThrows(() => expand(word), SyntaxError);
  });
}
