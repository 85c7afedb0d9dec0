/**
 * The first process of a container that was started with --init: it hands signals on to the image's program, and takes the exit
 * statuses of whatever ends in the container. A standalone program (ffi/standalone.ts), handed in by a descriptor, so that the image
 * needs nothing. It has no signal handlers: all signals stay blocked, and it waits for them (rt_sigtimedwait(2)).
 */
import { SIGNALS, WNOHANG } from "../../ffi/constants.ts";
import { ANY_ERRNO } from "../../ffi/errno.ts";
import { executableInMemory, Label, StandaloneProgram } from "../../ffi/standalone.ts";
import { Word } from "../../ffi/table.ts";
import type { Init } from "./init.ts";

const ANY = { tolerate: ANY_ERRNO };

/** @throws {SystemCallError} when there can be no file in memory */
export function makeInit(): Init {
  const program = new StandaloneProgram(64, 4096);
  const pidOffset = buildInit(program);
  return { fd: executableInMemory("dhow-init", program.build()), pidOffset };
}

/** @returns where in the executable the program's pid belongs */
function buildInit(program: StandaloneProgram): number {
  const child = program.word(0);
  const everySignal = program.words(-1);
  // wait(2): the low byte is the signal, with 128 for a core dump, the next one the exit code
  const status = program.words(0, 0);
  const signal = program.words(0, 0);
  const wait = new Label();
  const reap = new Label();
  const ended = new Label();
  const signalled = new Label();
  program.place(wait);
  const came = program.call("rt_sigtimedwait", [everySignal, 0, 0, 8], ANY);
  program.jumpIfLess(came, 1, wait);
  program.jumpIfEqual(came, SIGNALS.SIGCHLD, reap);
  program.call("kill", [child, came], ANY);
  program.jump(wait);
  program.place(reap);
  program.store(status, 0);
  const reaped = program.call("wait4", [-1, status, WNOHANG, 0], ANY);
  program.jumpIfLess(reaped, 1, wait);
  program.jumpIfEqual(reaped, child, ended);
  program.jump(reap);
  program.place(ended);
  program.store(signal, new Word(status));
  program.store(signal + 1, 0);
  const bySignal = new Label();
  program.jumpIfLess(0, new Word(signal), bySignal);
  program.call("exit_group", [new Word(status + 1)]);
  program.place(bySignal);
  program.jumpIfLess(new Word(signal), 128, signalled);
  program.add(signal, -128);
  program.place(signalled);
  program.add(signal, 128);
  program.call("exit_group", [new Word(signal)]);
  return program.offsetOf(child);
}
