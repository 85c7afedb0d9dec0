import { assertEquals, assertMatch } from "@std/assert";
import { entryProgram } from "../../../src/rootless/entry_program.ts";
import { eachCpu } from "../../support/emulator.ts";

const NO_FD = 77;

eachCpu("a user namespace that cannot be joined is told in one line", (arch, prefix) => {
  const entry = {
    user: NO_FD,
    mount: NO_FD,
    directory: "/",
    command: ["/bin/echo", "never"],
    environment: [],
  };
  const path = Deno.makeTempFileSync();
  try {
    Deno.writeFileSync(path, entryProgram(entry, arch));
    Deno.chmodSync(path, 0o755);
    const [program = path, ...args] = [...prefix, path];
    const { code, stdout, stderr } = new Deno.Command(program, { args }).outputSync();
    const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
    assertEquals([code, text(stdout)], [125, ""]);
    assertMatch(text(stderr), /^dhow: cannot enter the user namespace .*\n$/);
  } finally {
    Deno.removeSync(path);
  }
});
