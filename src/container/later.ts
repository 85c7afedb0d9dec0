/** Commands of dhow's own that other processes become: at a container's end, and after a wait. */
import { AT_EMPTY_PATH, O_CLOEXEC, PR_SET_NAME, SIG_SETMASK } from "../../ffi/constants.ts";
import { Arena } from "../../ffi/arena.ts";
import { cloneWalking } from "../../ffi/process.ts";
import { executableInMemory, StandaloneProgram } from "../../ffi/standalone.ts";
import { CallTable, libcCall } from "../../ffi/table.ts";
import { laterFault } from "../plan/fault.ts";
import { MARKER } from "../state/user_namespace.ts";
import { identify, type ProcessIdentity } from "../state/process_identity.ts";
import { intoBackground } from "./background.ts";

/** Variables of this dhow's own that those get as well. */
const ENVIRONMENT = ["PATH", "HOME", "DENO_DIR", "TMPDIR", "XDG_DATA_HOME", "XDG_RUNTIME_DIR", MARKER];

/** The environment of a dhow that is started later. */
export function laterEnvironment(): string[] {
  const own = ENVIRONMENT.flatMap((name) => {
    const value = Deno.env.get(name);
    return value === undefined ? [] : [`${name}=${value}`];
  });
  return [...own, ...laterFault()];
}

/** A program that waits, and then becomes a command. It has no JavaScript, and a few kilobytes. */
function sleeper(milliseconds: number, command: readonly string[], environment: readonly string[]) {
  const texts = JSON.stringify([command, environment]).length * 4;
  const program = new StandaloneProgram(8, 4096 + texts);
  const time = program.words(Math.floor(milliseconds / 1000), (milliseconds % 1000) * 1e6);
  program.call("prctl", [PR_SET_NAME, program.text("dhow-sleeper"), 0, 0, 0]);
  program.call("rt_sigprocmask", [SIG_SETMASK, program.words(0), 0, 8]);
  program.call("nanosleep", [time, 0]);
  program.call("execve", [
    program.text(command[0] ?? ""),
    program.texts(command),
    program.texts(environment),
  ]);
  return program.build();
}

/**
 * Starts a process that outlives this one, waits, and then executes a command.
 * @param command this dhow's own command line
 * @throws {SystemCallError} when the kernel refuses
 */
export function startSleeper(milliseconds: number, command: readonly string[]): ProcessIdentity {
  const program = executableInMemory("dhow-sleeper", sleeper(milliseconds, command, laterEnvironment()));
  const arena = new Arena(256 * 1024);
  try {
    const table = new CallTable(arena, 16);
    intoBackground(table);
    const PROGRAM = 3;
    if (program !== PROGRAM) table.call("dup3", [program, PROGRAM, O_CLOEXEC]);
    table.call("close_range", [PROGRAM + 1, 0xffffffff, 0]);
    const argv = arena.strings(["dhow-sleeper", ...command.slice(-2)]);
    table.call("execveat", [PROGRAM, "", argv, arena.strings([]), AT_EMPTY_PATH]);
    return identify(cloneWalking(table, 0));
  } finally {
    arena.release(); // the child has its own mapping of it
    libcCall("close", program);
  }
}
