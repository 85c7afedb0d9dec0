/**
 * What a container's first process is between dhow's child and the image's program: a standalone program (ffi/standalone.ts), in a file
 * in memory, that only executes the latter. While a process executes a program its /proc/self/exe is still the one before: of dhow's
 * child that is dhow's own file on the host, which an image's `#!/proc/self/exe` would run, and overwrite (CVE-2019-5736).
 */
import { O_CLOEXEC, SIG_SETMASK } from "../../ffi/constants.ts";
import { Label, StandaloneProgram } from "../../ffi/standalone.ts";
import { INIT_FDS } from "./init.ts";
import { executeFirst, type Execution, reportAndEnd, sizeOfExecution } from "./reporting.ts";

/** Where the report is when it is to be closed by the program's execution. */
const LAST_REPORT_FD = 4;

/**
 * @param step what its report calls the execution
 * @param arch the CPU that it is for; this one by default
 */
export function starterProgram(execution: Execution, step: number, arch?: string): Uint8Array<ArrayBuffer> {
  const { calls, bytes } = sizeOfExecution(execution);
  const program = new StandaloneProgram(16 + calls, 4096 + bytes, arch);
  const failed = new Label();
  // when it is executed by itself, by /proc/self/exe, there is no report, and that ends it
  program.call("dup3", [INIT_FDS.report, LAST_REPORT_FD, O_CLOEXEC]);
  program.call("close", [INIT_FDS.report]);
  program.call("rt_sigprocmask", [SIG_SETMASK, program.words(0), 0, 8]);
  executeFirst(program, step, execution, failed);
  program.place(failed);
  reportAndEnd(program, LAST_REPORT_FD);
  return program.build();
}
