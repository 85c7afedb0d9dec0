import { assertEquals } from "@std/assert";
import { printable } from "../../../src/cli/output.ts";

Deno.test("nothing that a terminal obeys, and nothing that turns the direction of reading, is printed", () => {
  assertEquals(printable("a\x1b[31mb\nc\x9bd"), "a [31mb c d");
  assertEquals(printable("x\u202egnp.tar\u2069y\u200fz"), "x gnp.tar y z");
  assertEquals(printable("größe 文件"), "größe 文件");
});
