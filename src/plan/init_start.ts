/** The start of a container's program by what stands between: an init or only a starter. Its executable, and what it reports. */
import { Arena } from "../../ffi/arena.ts";
import { describeErrno, SystemCallError } from "../../ffi/errno.ts";
import { poll } from "../../ffi/poll.ts";
import { makePipe } from "../../ffi/process.ts";
import { executableInMemory } from "../../ffi/standalone.ts";
import { CallTable, libcCall } from "../../ffi/table.ts";
import { type DhowError, HostError } from "../errors.ts";
import { explainExecuteFailure } from "./failure.ts";
import { type Execution, REPORT_SIZE } from "./reporting.ts";
import { type Init, INIT_STEPS } from "./init.ts";
import { starterProgram } from "./starter_program.ts";

export class InitStart {
  /** What the container's first process is to have. */
  readonly init: Init;
  readonly #report: number;
  #opened: number[] = [];

  /**
   * @param initProgram makes an init, which stays; undefined for a starter
   * @throws {SystemCallError} when its files cannot be made
   */
  constructor(
    readonly execution: Execution,
    initProgram?: (execution: Execution) => Uint8Array<ArrayBuffer>,
  ) {
    const { reader, writer } = makePipe();
    this.#opened.push(reader, writer);
    const program = executableInMemory(
      "dhow-init",
      initProgram?.(execution) ?? starterProgram(execution, INIT_STEPS.execute),
    );
    this.#opened.push(program);
    this.init = { program, report: writer };
    this.#report = reader;
  }

  /** The container's first process has its own descriptors now. */
  handedOver(): void {
    this.#close(this.init.program, this.init.report);
  }

  /**
   * Waits until the image's program has been executed, or could not be.
   * @returns why not, if so
   */
  async failure(): Promise<DhowError | undefined> {
    const arena = new Arena(4096);
    try {
      const record = arena.allocate(REPORT_SIZE);
      const table = new CallTable(arena, 1);
      const read = table.call("read", [this.#report, record, REPORT_SIZE]);
      await table.runBlocking();
      return read.result === REPORT_SIZE
        ? this.#explain(arena.word(record), arena.word(record + 8))
        : undefined;
    } finally {
      arena.release();
    }
  }

  /** The same for an init that has ended: what it has to report is there. */
  async failureThatEnded(): Promise<DhowError | undefined> {
    return (await poll([this.#report], 0)).size > 0 ? await this.failure() : undefined;
  }

  #explain(errno: number, step: number): DhowError {
    // with --pid host who writes this may be seen by others, which may be hostile
    const known = Math.min(Math.max(errno, 1), 4095);
    if (step === INIT_STEPS.execute) return explainExecuteFailure(this.execution, [{ errno: known }]);
    return new HostError({
      what: "cannot start the program as the init's child",
      why: describeErrno(known),
      cause: new SystemCallError("clone", known),
    });
  }

  close(): void {
    this.#close(...this.#opened);
  }

  #close(...fds: number[]): void {
    for (const fd of fds) libcCall("close", fd);
    this.#opened = this.#opened.filter((fd) => !fds.includes(fd));
  }
}
