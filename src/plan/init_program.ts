/**
 * The first process of a container that was started with --init: it starts the image's program, hands signals on to it, and takes
 * the exit statuses of whatever ends in the container. A standalone program (ffi/standalone.ts), handed in by a descriptor, so that
 * the image needs nothing. It has no signal handlers: all signals stay blocked, and it waits for them (rt_sigtimedwait(2)).
 */
import { O_CLOEXEC, SIG_SETMASK, SIGNALS, TIOCSPGRP, WNOHANG } from "../../ffi/constants.ts";
import { ANY_ERRNO } from "../../ffi/errno.ts";
import { Label, StandaloneProgram } from "../../ffi/standalone.ts";
import { Word } from "../../ffi/table.ts";
import { INIT_FDS, INIT_STEPS } from "./init.ts";
import { attempt, executeFirst, type Execution, reportAndEnd, sizeOfExecution } from "./reporting.ts";

const ANY = { tolerate: ANY_ERRNO };

/** Where the program's process has its report; the init has none then. */
const LAST_REPORT_FD = 4;

/** @param arch the CPU that it is for; this one by default */
export function initProgram(execution: Execution, arch?: string): Uint8Array<ArrayBuffer> {
  const { calls, bytes } = sizeOfExecution(execution);
  const program = new StandaloneProgram(64 + calls, 4096 + bytes, arch);
  const everySignal = program.words(-1);
  const reportFd = program.word(INIT_FDS.report);
  const [failed, becoming] = [new Label(), new Label()];
  // they are, unless a program of the container has executed it once more, by /proc/self/exe
  program.call("rt_sigprocmask", [SIG_SETMASK, everySignal, 0, 8]);
  const child = attempt(program, INIT_STEPS.makeProcess, failed, "clone", [SIGNALS.SIGCHLD, 0, 0, 0, 0]);
  program.jumpIfEqual(child, 0, becoming);
  program.call("close", [INIT_FDS.report], ANY);
  lookAfter(program, child, everySignal);
  program.place(becoming);
  becomeProgram(program, execution, reportFd, failed);
  program.place(failed);
  reportAndEnd(program, reportFd);
  return program.build();
}

/** Until the program ends: then it ends as that did. */
function lookAfter(program: StandaloneProgram, child: ReturnType<typeof attempt>, everySignal: number): void {
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
}

/** What the init's child does. */
function becomeProgram(
  program: StandaloneProgram,
  execution: Execution,
  reportFd: Word,
  failed: Label,
): void {
  program.call("dup3", [INIT_FDS.report, LAST_REPORT_FD, O_CLOEXEC]);
  program.call("close", [INIT_FDS.report]);
  program.store(reportFd, LAST_REPORT_FD);
  // a group of its own, in the foreground of the terminal if there is one: what is typed there is the program's alone
  const self = program.word(0);
  program.store(self, program.call("getpid", []));
  program.call("setpgid", [0, 0]);
  program.call("ioctl", [0, TIOCSPGRP, self.address], ANY);
  program.call("rt_sigprocmask", [SIG_SETMASK, program.words(0), 0, 8]);
  executeFirst(program, INIT_STEPS.execute, execution, failed);
}
