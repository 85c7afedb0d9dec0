import { assertEquals, assertThrows } from "@std/assert";
import { readEnvFile } from "../../../src/cli/env_file.ts";
import { DhowError } from "../../../src/errors.ts";

function read(content: string | Uint8Array): string[] {
  const path = Deno.makeTempFileSync();
  try {
    Deno.writeFileSync(path, typeof content === "string" ? new TextEncoder().encode(content) : content);
    return readEnvFile(path);
  } finally {
    Deno.removeSync(path);
  }
}

Deno.test("a file's variables are taken as they are, without comments and empty lines", () => {
  const text = '\ufeffA=1\n# no\n\n  B="x" # y\nC=\nNAME\nD=a=b\r\n';
  assertEquals(read(text), ["A=1", 'B="x" # y', "C=", "NAME", "D=a=b"]);
});

Deno.test("what is no variable is refused, with what is wrong", () => {
  assertThrows(() => read("A B=1\n"), DhowError, "'A B' contains whitespaces");
  assertThrows(() => read("A=1\n=2\n"), DhowError, "line 2 has no name");
  assertThrows(() => read(Uint8Array.of(65, 61, 0xff)), DhowError, "not UTF-8");
  assertThrows(() => readEnvFile("/no/such/file"), DhowError, "cannot use the variables");
});
