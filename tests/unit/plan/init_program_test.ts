import { assertEquals } from "@std/assert";
import { Arena } from "../../../ffi/arena.ts";
import { O_CREAT, O_RDWR, SIG_SETMASK } from "../../../ffi/constants.ts";
import { EACCES, ENOENT, ENOTDIR } from "../../../ffi/errno.ts";
import { cloneWalking, type ExitStatus, makePipe, waitForExit } from "../../../ffi/process.ts";
import { CallTable, libcCall } from "../../../ffi/table.ts";
import { INIT_FDS } from "../../../src/plan/init.ts";
import { INIT_STEPS } from "../../../src/plan/init.ts";
import { initProgram } from "../../../src/plan/init_program.ts";
import { type Execution, REPORT_SIZE } from "../../../src/plan/reporting.ts";
import { eachCpu } from "../../support/emulator.ts";
import { eventually } from "../../support/eventually.ts";

interface Seen {
  readonly status: ExitStatus;
  readonly output: string;
  /** errno and step; undefined when its end came without any. */
  readonly report: readonly [errno: number, step: number] | undefined;
}

const AT_FDCWD = -100;

/** Runs an init as a container's first process does, with all signals blocked; its program gets no other process's id. */
async function runInit(
  arch: string,
  emulator: readonly string[],
  execution: Execution,
  meanwhile: (pid: number, output: () => string) => Promise<void> = async () => {},
): Promise<Seen> {
  const folder = Deno.makeTempDirSync({ prefix: "dhow-unit-" });
  const path = `${folder}/init`;
  Deno.writeFileSync(path, initProgram(execution, arch), { mode: 0o755 });
  const output = () => Deno.readTextFileSync(`${folder}/output`);
  const arena = new Arena(128 << 10);
  const report = makePipe();
  try {
    const table = new CallTable(arena, 8);
    const every = arena.data(new Uint8Array(128).fill(0xff));
    table.call("sigprocmask", [SIG_SETMASK, every, 0]);
    const file = table.call("openat", [AT_FDCWD, `${folder}/output`, O_RDWR | O_CREAT, 0o600]);
    table.call("dup3", [file, 1, 0]);
    // above the init's own, which the other end may have here
    const writer = table.call("fcntl", [report.writer, 0, 32]);
    table.call("close_range", [3, 31, 0]);
    table.call("dup3", [writer, INIT_FDS.report, 0]);
    table.call("close_range", [INIT_FDS.report + 1, 0xffffffff, 0]);
    const argv = [...emulator, path];
    table.call("execve", [argv[0]!, arena.strings(argv), arena.strings([])]);
    const pid = cloneWalking(table, 0);
    libcCall("close", report.writer);
    await meanwhile(pid, output);
    const record = arena.allocate(REPORT_SIZE);
    const reading = new CallTable(arena, 1);
    const size = reading.call("read", [report.reader, record, REPORT_SIZE]);
    await reading.runBlocking();
    return {
      status: await waitForExit(pid),
      report: size.result === 0 ? undefined : [arena.word(record), arena.word(record + 8)],
      output: output(),
    };
  } finally {
    libcCall("close", report.reader);
    arena.release();
    Deno.removeSync(folder, { recursive: true });
  }
}

const sh = (script: string): Execution => ({ args: ["sh", "-c", script], env: ["PATH=/none:/bin", "V=x y"] });

eachCpu(
  "an init ends as its program does, which has its words and variables, and no others",
  async (...cpu) => {
    const script = 'echo "$0 $V, open: $(ls /proc/self/fd | wc -l)"; exit 7';
    assertEquals(await runInit(...cpu, sh(script)), {
      status: { code: 7 },
      output: "sh x y, open: 4\n",
      report: undefined,
    });
  },
);

for (const [signal, code] of [["KILL", 137], ["ABRT", 134]] as const) {
  eachCpu(`a program that was ended by SIG${signal} is told by the init's exit code`, async (...cpu) => {
    assertEquals((await runInit(...cpu, sh(`kill -${signal} $$`))).status, { code });
  });
}

eachCpu(
  "a program that is not there, or cannot be executed, is reported by the errno that tells most",
  async (...cpu) => {
    const report = async (program: string, path: string) =>
      (await runInit(...cpu, { args: [program], env: [`PATH=${path}`] })).report;
    const { execute } = INIT_STEPS;
    assertEquals(await report("no-such-program", "/usr/bin:/bin"), [ENOENT, execute]);
    assertEquals(await report("x", "/none:/etc/passwd"), [ENOTDIR, execute]);
    assertEquals(await report("passwd", "/etc:/none"), [EACCES, execute]);
    assertEquals(await report("/etc/passwd", ""), [EACCES, execute]);
  },
);

eachCpu("an init hands on what it is sent", async (...cpu) => {
  const script = `trap 'echo caught; exit 3' USR1; echo ready; while :; do sleep 0.01; done`;
  const seen = await runInit(...cpu, sh(script), async (pid, output) => {
    await eventually(() => assertEquals(output(), "ready\n"));
    Deno.kill(pid, "SIGUSR1");
  });
  assertEquals(seen, { status: { code: 3 }, output: "ready\ncaught\n", report: undefined });
});
