import { assert, assertEquals, assertThrows } from "@std/assert";
import { CODE_ADDRESS, standaloneCode } from "../../../ffi/standalone_code.ts";
import { executableInMemory, Label, StandaloneProgram } from "../../../ffi/standalone.ts";
import { libcCall } from "../../../ffi/table.ts";
import { tableWalker } from "../../../ffi/machine_code.ts";
import { eachCpu as onEachCpu } from "../../support/emulator.ts";

const ANY = { tolerate: Array.from({ length: 64 }, (_, errno) => errno) };

function eachCpu(name: string, test: (make: () => StandaloneProgram, run: Run) => void): void {
  // of the ones that cannot be tried here, the bytes are compared below
  onEachCpu(
    name,
    (arch, prefix) =>
      test(() => new StandaloneProgram(64, 64 << 10, arch), (program, stdin) => run(prefix, program, stdin)),
  );
}

type Run = (program: StandaloneProgram, stdin?: string) => { code: number; stdout: string };

function run(prefix: readonly string[], program: StandaloneProgram, stdin = "") {
  const folder = Deno.makeTempDirSync();
  try {
    const path = `${folder}/program`;
    Deno.writeFileSync(path, program.build(), { mode: 0o755 });
    Deno.writeTextFileSync(`${folder}/stdin`, stdin);
    const script = 'input="$1"; shift; exec "$@" <"$input"';
    const { code, stdout } = new Deno.Command("sh", {
      args: ["-c", script, "sh", `${folder}/stdin`, ...prefix, path],
    }).outputSync();
    return { code, stdout: new TextDecoder().decode(stdout) };
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

eachCpu("a program makes system calls, and ends with code 0 after the last", (make, run) => {
  const program = make();
  program.call("write", [1, program.text("hello\n"), 6]);
  assertEquals(run(program), { code: 0, stdout: "hello\n" });
});

eachCpu("a call that fails ends it with code 1; one that may fail does not", (make, run) => {
  const program = make();
  program.call("close", [77], ANY);
  program.call("write", [1, program.text("on"), 2]);
  program.call("close", [77]);
  program.call("write", [1, program.text("never"), 5]);
  assertEquals(run(program), { code: 1, stdout: "on" });
});

eachCpu("a loop adds and stores words until a jump leaves it", (make, run) => {
  const program = make();
  const count = program.word(-2);
  const [loop, end] = [new Label(), new Label()];
  program.place(loop);
  program.jumpIfEqual(count, 3, end);
  program.call("write", [1, program.text("."), 1]);
  program.add(count, 1);
  program.jumpIfLess(count, 3, loop);
  program.jump(loop);
  program.place(end);
  program.store(count, 42);
  program.call("exit_group", [count]);
  assertEquals(run(program), { code: 42, stdout: "....." });
});

eachCpu("words are compared with their sign, in 64 bits", (make, run) => {
  const program = make();
  const [less, more] = [new Label(), new Label()];
  program.jumpIfLess(program.word(-1), 0, less);
  program.call("exit_group", [1]);
  program.place(less);
  program.jumpIfLess(program.word(2 ** 48), 2 ** 47, more);
  program.call("exit_group", [7]);
  program.place(more);
  program.call("exit_group", [2]);
  assertEquals(run(program).code, 7);
});

eachCpu("bits of a word that a mask lacks are cleared, in all 64", (make, run) => {
  const program = make();
  const [low, high] = [program.word(0x1ff), program.word(-1)];
  const isRight = new Label();
  program.and(low, 0x2a);
  program.and(high, 2 ** 40);
  program.jumpIfEqual(high, 2 ** 40, isRight);
  program.call("exit_group", [1]);
  program.place(isRight);
  program.call("exit_group", [low]);
  assertEquals(run(program).code, 0x2a);
});

eachCpu("bytes are copied between addresses, as many as it is told, and no more", (make, run) => {
  const program = make();
  const from = program.text("abcdefghijkl");
  const to = program.text("0123456789");
  program.copy(to, from, 3);
  program.copy(to + 4, from + 9, 0);
  program.copy(to + 5, from + 8, 1);
  program.call("write", [1, to, 10]);
  // what has been copied is copied again when both overlap
  program.copy(from + 1, from, 11);
  program.call("write", [1, from, 12]);
  assertEquals(run(program).stdout, "abc34i6789aaaaaaaaaaaa");
});

eachCpu("words hold the addresses and the number of bytes, which a loop goes through", (make, run) => {
  const program = make();
  const text = program.text("Ab-z9");
  const upper = program.data(Uint8Array.from({ length: 256 }, (_, byte) => byte & 0xdf));
  const [cursor, byte, place] = [program.word(text), program.word(0), program.word(0)];
  const loop = new Label();
  program.place(loop);
  program.copy(byte.address, cursor, 1);
  program.store(place, upper);
  program.add(place, byte);
  program.copy(cursor, place, program.word(1));
  program.add(cursor, 1);
  program.jumpIfLess(cursor, text + 5, loop);
  program.call("write", [1, text, 5]);
  assertEquals(run(program).stdout, "AB\rZ\x19");
});

eachCpu("a buffer takes what is read, and results are arguments of later calls", (make, run) => {
  const program = make();
  const buffer = program.buffer(4096);
  const count = program.call("read", [0, buffer, 4096]);
  program.call("write", [1, buffer, count]);
  assertEquals(run(program, "from outside"), { code: 0, stdout: "from outside" });
});

eachCpu("it executes another program with arguments and environment", (make, run) => {
  const program = make();
  const argv = program.texts(["sh", "-c", 'echo "$1 $V"', "sh", "ä b"]);
  program.call("execve", [program.text("/bin/sh"), argv, program.texts(["V=x"])]);
  assertEquals(run(program), { code: 0, stdout: "ä b x\n" });
});

Deno.test("the code for both CPUs begins with its start, and then has the walker", () => {
  for (const [arch, start] of [["x86_64", 19], ["aarch64", 20]] as const) {
    const { bytes, functions } = standaloneCode(arch);
    const walker = tableWalker(arch);
    assertEquals(bytes.subarray(start, start + walker.length), walker);
    for (const address of functions.values()) {
      assert(address >= CODE_ADDRESS + start + walker.length && address < CODE_ADDRESS + bytes.length);
      if (arch === "aarch64") assertEquals(address % 4, 0);
    }
  }
});

Deno.test("a function that a standalone program does not have is an error when the program is made", () => {
  const program = new StandaloneProgram(4, 4096);
  assertThrows(() => program.call("printf", []), Error, "printf");
});

Deno.test("a program in memory can be executed by its descriptor", () => {
  const program = new StandaloneProgram(4, 4096);
  program.call("exit_group", [5]);
  const fd = executableInMemory("five", program.build());
  try {
    const { code } = new Deno.Command(`/proc/${Deno.pid}/fd/${fd}`).outputSync();
    assertEquals(code, 5);
  } finally {
    libcCall("close", fd);
  }
});

Deno.test("nobody can change an executable in memory, not even where nobody executes it", () => {
  const fd = executableInMemory("constant", new StandaloneProgram(8, 1024).build());
  try {
    const path = `/proc/self/fd/${fd}`;
    const before = Deno.readFileSync(path);
    // also by another way to the same file
    using file = Deno.openSync(path, { read: true, write: true });
    assertThrows(() => file.writeSync(Uint8Array.of(1, 2, 3)), Error, "Operation not permitted");
    assertThrows(() => file.truncateSync(0), Error, "Operation not permitted");
    assertThrows(() => file.truncateSync(1 << 20), Error, "Operation not permitted");
    assertEquals(Deno.readFileSync(path), before);
  } finally {
    libcCall("close", fd);
  }
});
