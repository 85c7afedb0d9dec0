/**
 * The part of a joiner (joiner.ts) that stays on the host: it watches over the program's process, and tells by its own end how that
 * ended.
 */
import { P_ALL, PIDFD_SIGNAL_PROCESS_GROUP, SIGNALS, WEXITED } from "../../ffi/constants.ts";
import { ANY_ERRNO, EAGAIN } from "../../ffi/errno.ts";
import { Label, type StandaloneProgram } from "../../ffi/standalone.ts";
import { Word } from "../../ffi/table.ts";
import type { JoinSetup } from "./joiner.ts";
import { JOIN_STEPS, JOINER_FDS, TERMINAL } from "./joiner_layout.ts";
import { CLOSED, HAS_COME, waitFor } from "./pollfd.ts";
import { ERRNO, STEP } from "./reporting.ts";

/** Bytes of a terminal's output that nobody reads, at a time. */
export const DRAINED = 1024;

const ANY = { tolerate: ANY_ERRNO };

export class Keeper {
  /** @param failed where the program goes on when nothing could be started */
  constructor(readonly program: StandaloneProgram, readonly failed: Label) {}

  /** @param joiner what has started it; the keeper shares its descriptors until it has ended */
  keep(joiner: Word, { terminal, leash }: Pick<JoinSetup, "terminal" | "leash">): void {
    const { program } = this;
    const status = program.word(0);
    program.store(STEP, JOIN_STEPS.start);
    program.call("wait4", [joiner, status.address, 0, 0], ANY);
    const goesOn = new Label();
    program.jumpIfEqual(status, 0, goesOn);
    // it has said why itself, unless it was killed
    program.jump(this.failed);
    program.place(goesOn);
    for (const fd of [0, 1, 2, JOINER_FDS.report]) program.call("close", [fd], ANY);
    if (terminal !== undefined) this.#watchTerminal();
    else if (leash === true) this.#watchLeash();
    const siginfo = program.words(...Array(16).fill(0));
    program.call("waitid", [P_ALL, 0, siginfo, WEXITED, 0], ANY);
    // siginfo_t: si_code after two ints; si_status after si_pid and si_uid (waitid(2))
    const [code, result] = [new Word(siginfo + 8), new Word(siginfo + 24)];
    const exited = new Label();
    const CLD_EXITED = 1;
    program.jumpIfEqual(code, CLD_EXITED, exited);
    program.add(result.address, 128);
    program.place(exited);
    program.call("exit_group", [result]);
  }

  /** Until the program has ended: hangs the terminal up if dhow dies, and reads it in its place if dhow has left it alone. */
  #watchTerminal(): void {
    const { program } = this;
    const { control, master } = JOINER_FDS;
    const polled = program.words(CLOSED, waitFor(JOINER_FDS.program), CLOSED);
    const [onControl, onProgram, onMaster] = [new Word(polled), new Word(polled + 8), new Word(polled + 16)];
    const said = program.word(0);
    const byte = program.word(0);
    const drained = program.words(...Array(DRAINED / 8).fill(0));
    const [loop, understand, hangUp, notControl] = [new Label(), new Label(), new Label(), new Label()];
    const [nothing, notMaster] = [new Label(), new Label()];
    program.store(onControl.address, waitFor(control));
    // the program may end at once: the terminal must still be there when dhow comes for it
    program.jump(understand);
    program.place(loop);
    program.call("ppoll", [polled, 3, 0, 0, 0], ANY);
    program.jumpIfLess(onControl, HAS_COME, notControl);
    program.place(understand);
    program.store(said.address, program.call("read", [control, byte.address, 1], ANY));
    program.jumpIfLess(said, 1, hangUp);
    program.jumpIfEqual(byte, TERMINAL.taken.charCodeAt(0), notControl);
    program.store(onMaster.address, waitFor(master));
    program.store(onControl.address, CLOSED);
    program.jump(notControl);
    program.place(hangUp);
    program.call("close", [master], ANY);
    program.store(onControl.address, CLOSED);
    program.place(notControl);
    program.jumpIfLess(onMaster, HAS_COME, notMaster);
    program.jumpIfLess(program.call("read", [master, drained, DRAINED], ANY), 0, nothing);
    program.jump(notMaster);
    program.place(nothing);
    program.jumpIfEqual(new Word(ERRNO), EAGAIN, notMaster);
    program.store(onMaster.address, CLOSED);
    program.place(notMaster);
    program.jumpIfLess(onProgram, HAS_COME, loop);
  }

  /** Until the program has ended: kills it, and what is in its process group, if dhow lets go. */
  #watchLeash(): void {
    const { program } = this;
    const polled = program.words(waitFor(JOINER_FDS.control), waitFor(JOINER_FDS.program));
    const [onControl, onProgram] = [new Word(polled), new Word(polled + 8)];
    const [loop, notControl] = [new Label(), new Label()];
    program.place(loop);
    program.call("ppoll", [polled, 2, 0, 0, 0], ANY);
    program.jumpIfLess(onControl, HAS_COME, notControl);
    program.store(onControl, CLOSED);
    // before Linux 6.9 there is no such flag
    const flags = [PIDFD_SIGNAL_PROCESS_GROUP, 0];
    for (const flag of flags) {
      program.call("pidfd_send_signal", [JOINER_FDS.program, SIGNALS.SIGKILL, 0, flag], ANY);
    }
    program.place(notControl);
    program.jumpIfLess(onProgram, HAS_COME, loop);
  }
}
