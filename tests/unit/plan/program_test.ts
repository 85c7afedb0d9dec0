import { assert, assertEquals, assertRejects } from "@std/assert";
import { SIGNALS } from "../../../ffi/constants.ts";
import { HostError } from "../../../src/errors.ts";
import { findProgram, runProgram } from "../../../src/plan/program.ts";

const sh = (script: string, input = "") =>
  runProgram("/bin/sh", ["-c", script], { input, what: "cannot try" });

Deno.test("a program gets its arguments, its input, and this process's environment as it is now", async () => {
  assertEquals(
    await runProgram("/bin/cat", ["-n", "-"], { input: "ä\nb\n", what: "" }),
    "     1\tä\n     2\tb\n",
  );
  Deno.env.set("DHOW_TRIED", "yes");
  try {
    assertEquals(await sh('echo "$DHOW_TRIED"'), "yes\n");
  } finally {
    Deno.env.delete("DHOW_TRIED");
  }
  assertEquals(await sh('echo "${DHOW_TRIED-none}"'), "none\n");
});

Deno.test("neither much input that nobody reads nor much output makes anybody wait", async () => {
  const much = "x".repeat(1 << 20);
  assertEquals(await sh("exit 0", much), "");
  assertEquals(await sh("tee /dev/stderr", much), much);
  assertEquals((await sh("head -c 3000000 /dev/zero")).length, 3_000_000);
});

Deno.test("a program that fails is told of in its own words", async () => {
  const said = await assertRejects(() => sh("echo out; echo one >&2; echo; echo two >&2; exit 3"), HostError);
  assertEquals(
    said.message,
    "cannot try: /bin/sh -c echo out; echo one >&2; echo; echo two >&2; exit 3 said: one; two",
  );
  const ended = await assertRejects(() => sh("kill -KILL $$"), HostError);
  assert(ended.message.endsWith("said: nothing"), ended.message);
});

Deno.test("a program that cannot be executed is told of, and leaves nothing open", async () => {
  const open = () => [...Deno.readDirSync("/proc/self/fd")].length;
  const before = open();
  const error = await assertRejects(() => runProgram("/proc/version", [], { what: "cannot try" }), HostError);
  assertEquals(error.message, "cannot try: cannot execute /proc/version: execve: permission denied (EACCES)");
  await assertRejects(
    () => runProgram("/nonexistent/program", [], { what: "cannot try" }),
    HostError,
    "ENOENT",
  );
  await sh("exit 0");
  assertEquals(open(), before);
});

Deno.test("a program has three descriptors, no signal blocked, and SIGPIPE's usual effect", async () => {
  assertEquals(await sh("ls /proc/self/fd | wc -l"), "4\n"); // and the folder's own
  const status = await runProgram("/bin/cat", ["/proc/self/status"], { what: "" });
  const mask = (text: string, name: string) =>
    BigInt(`0x${new RegExp(`^${name}:\\t([0-9a-f]+)$`, "m").exec(text)?.[1]}`);
  assertEquals(mask(status, "SigBlk"), 0n);
  const ownIgnored = mask(Deno.readTextFileSync("/proc/self/status"), "SigIgn");
  const pipe = 1n << BigInt(SIGNALS.SIGPIPE - 1);
  assertEquals(ownIgnored & pipe, pipe, "Deno ignores it");
  assertEquals(mask(status, "SigIgn"), ownIgnored & ~pipe);
});

Deno.test("several programs may run at once", async () => {
  const said = await Promise.all([1, 2, 3, 4].map((number) => sh(`cat; echo ${number}`, `${number} `)));
  assertEquals(said, ["1 1\n", "2 2\n", "3 3\n", "4 4\n"]);
});

Deno.test("a program is found where PATH says first, and it is a file that can be executed", async () => {
  const folder = await Deno.makeTempDir();
  const path = Deno.env.get("PATH");
  try {
    await Deno.mkdir(`${folder}/a/prog`, { recursive: true });
    await Deno.mkdir(`${folder}/b`);
    await Deno.mkdir(`${folder}/c`);
    await Deno.writeTextFile(`${folder}/b/prog`, "", { mode: 0o644 });
    await Deno.writeTextFile(`${folder}/c/prog`, "", { mode: 0o755 });
    Deno.env.set("PATH", `relative:${folder}/none:${folder}/a:${folder}/b:${folder}/c`);
    assertEquals(findProgram("prog"), `${folder}/c/prog`);
    assertEquals(findProgram("dhow-has-no-such-program"), undefined);
  } finally {
    if (path === undefined) Deno.env.delete("PATH");
    else Deno.env.set("PATH", path);
    await Deno.remove(folder, { recursive: true });
  }
});
