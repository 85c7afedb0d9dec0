import { assertEquals } from "@std/assert";
import { commandLine, indent, quote } from "../../../src/plan/shell.ts";
import { shell } from "./scripts.ts";

const WORDS = [
  "plain",
  "/a/b-c_d.e:f=g,h@i%j+k",
  "it's",
  "''",
  '"$HOME"',
  "a b",
  "\t",
  "two\nlines\n",
  "\\n",
  "~",
  "*?[a]",
]
  .concat(["$(echo no)", "`echo no`", "#x", "!x", "{a,b}", "a;b", "a&&b", "", "ü€", "\x01\x7f", "=", "-e"]);

Deno.test("the shell gets back every word that was quoted, however strange", async () => {
  const { stdout, stderr } = await shell(`printf '%s\\0' ${commandLine(...WORDS)}`);
  assertEquals(stderr, "");
  assertEquals(stdout.split("\0").slice(0, -1), WORDS);
});

Deno.test("a word that needs no quotes has none, so that scripts can be read", () => {
  assertEquals(quote("/var/lib/dhow"), "/var/lib/dhow");
  assertEquals(quote("lowerdir=2:1,upperdir=/x"), "lowerdir=2:1,upperdir=/x");
});

Deno.test("an empty word is still a word", () => assertEquals(quote(""), "''"));

Deno.test("lines are moved to the right, and empty ones stay empty", () => {
  assertEquals(indent(["a", "", " b"]), ["  a", "", "   b"]);
});
