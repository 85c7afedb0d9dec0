import { assert, assertEquals } from "@std/assert";
import { Arena } from "../../../ffi/arena.ts";
import { F_DUPFD_CLOEXEC, O_CLOEXEC, O_CREAT, O_RDWR, SIGNALS } from "../../../ffi/constants.ts";
import { walkerAddress } from "../../../ffi/libc.ts";
import { cloneWalking, makePipe, STACK_SIZE, waitForExit } from "../../../ffi/process.ts";
import { CallTable, libcCall } from "../../../ffi/table.ts";
import { LogReader } from "../../../src/container/log_reader.ts";
import { readEnd } from "../../../src/container/settle.ts";
import { monitorProgram } from "../../../src/plan/monitor.ts";
import { CONTROL, MONITOR_FDS } from "../../../src/plan/monitor_layout.ts";
import { containerState, pathsUnder } from "../../../src/state/paths.ts";
import { eachCpu } from "../../support/emulator.ts";

const AT_FDCWD = -100;
const ABOVE_ALL = 32;
/** None of the logs has to go. */
const FILES = 9;

/**
 * Runs a script under the monitor of a CPU, with a probe, from a file: an emulator executes none that is in memory.
 * @returns what the log has, how the script ended, and what probes and the command at the end have written
 */
async function monitored(arch: string, emulator: readonly string[], script: string) {
  const root = Deno.makeTempDirSync({ prefix: "dhow-unit-" });
  const paths = pathsUnder(root);
  const folder = containerState(paths, "it");
  Deno.mkdirSync(folder, { recursive: true });
  const path = `${folder}/monitor`;
  const setup = {
    id: "it",
    terminal: false,
    keepsInput: false,
    awaitsReader: false,
    log: { path: `${folder}/log`, size: 40_000, files: FILES },
    exitPath: `${folder}/exit`,
    command: ["/bin/sh", "-c", `echo "$V" >${folder}/after`],
    environment: ["V=a variable", "PATH=/usr/bin:/bin"],
    probe: { interval: 1e6, limit: 60e9, command: ["/bin/sh", "-c", `echo probed >>${folder}/probes`] },
  };
  Deno.writeFileSync(path, monitorProgram(setup, 0, arch), { mode: 0o755 });
  const arena = new Arena((256 << 10) + STACK_SIZE);
  const [output, errors, control] = [makePipe(), makePipe(), makePipe()];
  try {
    const child = new CallTable(arena, 4);
    child.call("dup3", [output.writer, 1, 0]);
    child.call("dup3", [errors.writer, 2, 0]);
    child.call("execve", [
      "/bin/sh",
      arena.strings(["sh", "-c", script, "sh", folder]),
      arena.strings(["PATH=/usr/bin:/bin"]),
    ]);
    const table = new CallTable(arena, 40);
    const stack = arena.allocate(STACK_SIZE, 16) + STACK_SIZE;
    const pid = table.call("clone", [walkerAddress, stack, SIGNALS.SIGCHLD, child.address]);
    const create = (file: string) =>
      table.call("openat", [AT_FDCWD, `${folder}/${file}`, O_RDWR | O_CREAT | O_CLOEXEC, 0o600]);
    const sources = {
      container: table.call("pidfd_open", [pid, 0]),
      output: output.reader,
      errors: errors.reader,
      log: create("log"),
      exit: create("exit"),
      control: control.reader,
    };
    const gathered = Object.entries(sources).map(([slot, fd]) =>
      [slot as keyof typeof sources, table.call("fcntl", [fd, F_DUPFD_CLOEXEC, ABOVE_ALL])] as const
    );
    table.call("close_range", [3, ABOVE_ALL - 1, 0]);
    for (const [slot, fd] of gathered) table.call("dup3", [fd, MONITOR_FDS[slot], 0]);
    table.call("execve", [emulator[0] ?? path, arena.strings([...emulator, path]), arena.strings([])]);
    const monitor = cloneWalking(table, 0);
    for (const { writer } of [output, errors]) libcCall("close", writer);
    libcCall("write", control.writer, CONTROL.begin, 1);
    await waitForExit(monitor);
    assertEquals(table.failure?.name, undefined);
    const written: string[] = [];
    using reader = new LogReader(`${folder}/log`, FILES);
    for (let record = reader.next(); record !== undefined; record = reader.next()) {
      written[record.stream] = (written[record.stream] ?? "") + new TextDecoder().decode(record.bytes);
    }
    return {
      output: written[1] ?? "",
      errors: written[2] ?? "",
      exitCode: readEnd(paths, "it")?.exitCode,
      after: Deno.readTextFileSync(`${folder}/after`),
      logs: [...Deno.readDirSync(folder)].map(({ name }) => name).filter((name) => name.startsWith("log")),
    };
  } finally {
    for (const fd of [output.reader, errors.reader, control.reader, control.writer]) libcCall("close", fd);
    arena.release();
    Deno.removeSync(root, { recursive: true });
  }
}

eachCpu("a monitor keeps output, probes, makes new logs, and writes down the end", async (arch, emulator) => {
  // the emulator knows no CLONE_PIDFD (clone(2)): there each probe fails to start, and the timer is all that can be tried
  const probes = emulator.length === 0
    ? "until [ $(wc -l <$1/probes) -ge 2 ]; do sleep 0.01; done 2>/dev/null;"
    : "";
  const script =
    `echo out; echo err >&2; ${probes} head -c 120000 /dev/zero | tr '\\0' x; echo; echo end; exit 7`;
  const seen = await monitored(arch, emulator, script);
  assertEquals([seen.exitCode, seen.errors, seen.after], [7, "err\n", "a variable\n"]);
  assertEquals(seen.output, `out\n${"x".repeat(120_000)}\nend\n`);
  assert(seen.logs.includes("log.1"), `${seen.logs}`);
});
