/**
 * What standalone programs (ffi/standalone.ts) have in common that become a program of the image, and report to dhow what failed if
 * they cannot: an errno, and a number for what was being done, through a pipe that the program's execution closes.
 */
import { ANY_ERRNO, EACCES, ENOENT, ENOTDIR } from "../../ffi/errno.ts";
import { Label, type StandaloneProgram } from "../../ffi/standalone.ts";
import { DATA_ADDRESS } from "../../ffi/standalone_code.ts";
import { type Argument, Word } from "../../ffi/table.ts";
import { executablePlaces } from "./executable_places.ts";

/** A record of the report: errno and a step, as words of 64 bits. */
export const REPORT_SIZE = 16;
/** Where it lies in the program: errno is the first word of its data, and nothing else uses the second. */
export const ERRNO = DATA_ADDRESS;
export const STEP = DATA_ADDRESS + 8;

const ANY = { tolerate: ANY_ERRNO };

/** What a program executes, as execve(2) takes it. */
export interface Execution {
  readonly args: readonly string[];
  readonly env: readonly string[];
}

/** What `executeFirst` needs of a program's capacity, at most. */
export function sizeOfExecution({ args, env }: Execution): { calls: number; bytes: number } {
  const places = executablePlaces(args[0] ?? "", env);
  const bytes = [...args, ...env, ...places].reduce((sum, word) => sum + 3 * word.length + 16, 0);
  return { calls: 8 + 8 * places.length, bytes: bytes + 64 };
}

/**
 * Adds a call whose failure is the one to report.
 * @param failed where the program goes on then
 */
export function attempt(
  program: StandaloneProgram,
  step: number,
  failed: Label,
  name: string,
  parameters: readonly Argument[],
): Word {
  program.store(STEP, step);
  const call = program.call(name, parameters, ANY);
  program.jumpIfLess(call, 0, failed);
  return call;
}

/**
 * Adds what executes a program, looked for as execvp(3) does. When none can be executed, the errno to report is the one that tells
 * most: found in one place but not executable weighs more than not found in the others.
 * @param failed where it goes on then
 */
export function executeFirst(
  program: StandaloneProgram,
  step: number,
  { args, env }: Execution,
  failed: Label,
): void {
  const argv = program.texts(args);
  const envp = program.texts(env);
  const errno = new Word(ERRNO);
  const telling = program.word(0);
  const done = new Label();
  program.store(STEP, step);
  for (const place of executablePlaces(args[0] ?? "", env)) {
    const next = new Label();
    program.call("execve", [place, argv, envp], ANY);
    program.jumpIfEqual(errno, ENOENT, next);
    program.jumpIfEqual(errno, ENOTDIR, next);
    program.store(telling, errno);
    program.jumpIfEqual(errno, EACCES, next);
    program.jump(done);
    program.place(next);
  }
  program.place(done);
  program.jumpIfEqual(telling, 0, failed);
  program.store(ERRNO, telling);
  program.jump(failed);
}

/** Adds what writes the report, and ends the process. */
export function reportAndEnd(program: StandaloneProgram, fd: Argument): void {
  program.call("write", [fd, ERRNO, REPORT_SIZE], ANY);
  program.call("exit_group", [1]);
}
