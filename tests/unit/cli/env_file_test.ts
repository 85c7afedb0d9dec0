import { assertEquals, assertThrows } from "@std/assert";
import { readEnvFile } from "../../../src/cli/env_file.ts";
import { DhowError } from "../../../src/errors.ts";

function read(text: string | Uint8Array): string[] {
  const path = Deno.makeTempFileSync();
  try {
    if (typeof text === "string") Deno.writeTextFileSync(path, text);
    else Deno.writeFileSync(path, text);
    return readEnvFile(path);
  } finally {
    Deno.removeSync(path);
  }
}

Deno.test("a file of variables has one on each line, and comments", () => {
  assertEquals(read("# no\nONE=1\r\n\n  TWO=a b=c \n#THREE=3\nFOUR=\nFIVE\n"), [
    "ONE=1",
    "TWO=a b=c ",
    "FOUR=",
    "FIVE",
  ]);
});

Deno.test("what is no variable is refused, with its line", () => {
  for (const wrong of ["ok=1\n=2", "ok=1\nA B=2", "ok=1\nA=\0"]) {
    assertThrows(() => read(wrong), DhowError, "line 2");
  }
  assertThrows(() => read(new Uint8Array([65, 61, 0xff])), DhowError, "cannot read --env-file");
  assertThrows(() => readEnvFile("/nothing"), DhowError, "cannot read --env-file");
});
