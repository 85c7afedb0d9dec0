/** Somebody at a container that runs by itself: what it writes from now on, and what it reads. */
import { SIGNALS } from "../../ffi/constants.ts";
import { describeErrno, EIO, EPIPE } from "../../ffi/errno.ts";
import { libcCall, tryLibcCall } from "../../ffi/table.ts";
import { DhowError, HostError, UsageError } from "../errors.ts";
import { log } from "../log.ts";
import { CONTROL, MONITOR_FDS, STREAMS } from "../plan/monitor_layout.ts";
import type { Database } from "../state/database.ts";
import type { Paths } from "../state/paths.ts";
import { ProcessHandle } from "../state/process_end.ts";
import type { DetachKeys } from "./detach_keys.ts";
import { LogReader } from "./log_reader.ts";
import { followLog } from "./log_watch.ts";
import { takeEnd, takeWriter } from "./monitor_ends.ts";
import type { RunOptions, StreamName } from "./options.ts";
import { type ContainerRecord, getContainer } from "./records.ts";
import { ExitFile, logPath } from "./settle.ts";
import { isCaught } from "./signals.ts";
import type { Audience } from "./start.ts";
import { copyInput, Writer } from "./streams.ts";
import { awaitForeground, RawTerminal, requireTerminal, TerminalRelay } from "./terminal.ts";

export interface AttachOptions {
  /** Which of this process's streams are for the container; it may read no input at all. */
  readonly streams: readonly StreamName[];
  /** Whether signals are for the container; with a terminal they are not. */
  readonly proxiesSignals: boolean;
  readonly detachKeys: DetachKeys;
  /** Whether it is ended when nobody can read any more what it writes. */
  readonly endsUnread: boolean;
}

const OUTPUT = { name: "stdout", fd: 1 } as const;
const ERRORS = { name: "stderr", fd: 2 } as const;

const PROXIED = ["SIGHUP", "SIGINT", "SIGQUIT", "SIGTERM", "SIGUSR1", "SIGUSR2", "SIGALRM"] as const;

/** The exit code that docker gives when it does not know. */
const UNKNOWN_EXIT_CODE = 255;

/** As the shell has them of programs that these signals end: nobody reads what it prints; its terminal is gone. */
const BROKEN_PIPE = 128 + SIGNALS.SIGPIPE;
const HUNG_UP = 128 + SIGNALS.SIGHUP;

/** How the stay with a container ended that goes on. */
class Left {
  constructor(readonly exitCode: number | undefined) {}
}

/**
 * Makes sure that this process has a terminal, if the container wants one.
 * @throws {UsageError} when it has none
 */
export function requireTerminalFor(
  { terminal, interactive }: Pick<RunOptions, "terminal" | "interactive">,
  { streams }: AttachOptions,
): void {
  if (!streams.includes("stdin") || !terminal || !interactive) return;
  requireTerminal("to read only: attach --no-stdin, or start -a without -i");
  awaitForeground();
}

/** What is taken hold of while the container surely runs: it may end, and be removed, at any time afterwards. */
export class Attachment implements Disposable {
  readonly #record: ContainerRecord;
  readonly #monitor: ProcessHandle;
  /** Its first process; undefined when that has ended already. */
  readonly process: ProcessHandle | undefined;
  readonly #reader: LogReader;
  readonly #exit: ExitFile;
  /** What the container reads; undefined when it reads nothing, or not any more. */
  readonly #input: number | undefined;
  /** Tells its monitor what has been opened of its log; undefined when it does not wait for that. */
  readonly #opened: number | undefined;
  /** How many files it has been told of. */
  #told = 0;

  /**
   * @param isFirst whether nobody can have been there before: its monitor then waits for this process to open its log
   * @throws {DhowError} when the container does not run
   */
  constructor({ database, paths }: { database: Database; paths: Paths }, id: string, isFirst: boolean) {
    const record = this.#record = getContainer(database, id);
    if (record.status === "foreground") {
      throw new UsageError({
        what: `cannot attach to container ${record.name}`,
        why: "it is at the terminal that it was started from",
        hint: "containers that run with --detach or --rm=false can be attached to",
      });
    }
    const monitor = record.status === "running" ? ProcessHandle.open(record.owner) : undefined;
    if (monitor === undefined) {
      throw new DhowError({
        what: "You cannot attach to a stopped container, start it first",
        why: `container ${record.name} does not run`,
      });
    }
    this.#monitor = monitor;
    this.process = ProcessHandle.open(record.process);
    this.#reader = LogReader.fromEnd(logPath(paths, id), record.config.options.log.maxFiles);
    this.#exit = new ExitFile(paths, id);
    const { terminal, interactive } = record.config.options;
    const number = terminal ? MONITOR_FDS.output : interactive ? MONITOR_FDS.input : undefined;
    this.#input = number === undefined ? undefined : takeEnd(monitor, number);
    this.#opened = isFirst ? takeWriter(monitor, MONITOR_FDS.reader) : undefined;
    this.#tellOpened();
  }

  /**
   * Stays until the container has ended, or, when no output is wanted, until standard input has.
   * @returns its exit code; 128 + SIGPIPE or SIGHUP when nobody reads it any more, or the terminal is lost, and it goes on;
   * undefined when it goes on because the detach keys were typed, or the input has ended
   * @throws {HostError} when its output cannot be written
   */
  async run(options: AttachOptions): Promise<number | undefined> {
    const { terminal, interactive } = this.#record.config.options;
    const readsInput = options.streams.includes("stdin") && interactive && this.#input !== undefined;
    const raw = terminal && readsInput && Deno.stdin.isTerminal() ? new RawTerminal() : undefined;
    const release = terminal ? this.#followSize() : options.proxiesSignals ? this.#proxySignals() : () => {};
    try {
      const left = Promise.withResolvers<Left>();
      if (readsInput) {
        const failed = (error: unknown) => log.warn(`the input failed: ${error}`);
        this.#feed(this.#input!, options).then((how) => how && left.resolve(how), failed);
      }
      const wantsOutput = options.streams.some((stream) => stream !== "stdin");
      if (!wantsOutput && !readsInput) return undefined;
      const how = await Promise.race([
        wantsOutput ? this.#follow(options) : this.#monitor.ended(),
        left.promise,
      ]);
      if (how instanceof Left) return how.exitCode;
      return wantsOutput ? this.#exitCode() : undefined;
    } finally {
      raw?.restore();
      release();
    }
  }

  /** @returns how that has ended this process's stay; undefined when it has not */
  async #feed(input: number, options: AttachOptions): Promise<Left | undefined> {
    const { terminal, attach } = this.#record.config.options;
    // docker's StdinOnce: its input ends with whoever gave it some, even if that is killed; but not if it runs detached
    const isOnce = !terminal && attach.includes("stdin");
    if (isOnce) this.#closeInput();
    if (await copyInput(input, terminal ? options.detachKeys : undefined)) return new Left(undefined);
    if (isOnce) libcCall("close", input);
    if (terminal) {
      if (!options.endsUnread) return new Left(HUNG_UP);
      this.#end();
    }
    return options.streams.length === 1 ? new Left(undefined) : undefined;
  }

  /** Asks the monitor to let go of it, so that this process has the only descriptor. */
  #closeInput(): void {
    const writer = takeWriter(this.#monitor, MONITOR_FDS.control);
    if (writer === undefined) return;
    libcCall("write", writer, CONTROL.closeInput, 1);
    libcCall("close", writer);
  }

  #tellOpened(): void {
    if (this.#opened === undefined) return;
    for (; this.#told < this.#reader.opened; this.#told++) {
      tryLibcCall([EPIPE], "write", this.#opened, "o", 1);
    }
  }

  /** Writes what comes, each stream to its own, until the container's owner has ended. */
  async #follow({ streams, endsUnread }: AttachOptions): Promise<Left | undefined> {
    using writer = new Writer();
    let isRead = true;
    const drain = async () => {
      for (let record = this.#reader.next(); record !== undefined; record = this.#reader.next()) {
        const { name, fd } = record.stream === STREAMS.errors ? ERRORS : OUTPUT;
        if (!isRead || !streams.includes(name)) continue;
        const errno = await writer.write(fd, record.bytes);
        if (errno === 0) continue;
        if (errno !== EPIPE && errno !== EIO) {
          throw new HostError({ what: "cannot write what the container writes", why: describeErrno(errno) });
        }
        isRead = false;
        if (!endsUnread) return false;
        this.#end();
      }
      return true;
    };
    let more = Promise.withResolvers<void>();
    let hasEnded = false;
    // what comes is opened at once, however slowly it is written
    const watching = followLog(this.#reader.path, this.#monitor, () => {
      this.#reader.openNewer();
      this.#tellOpened();
      more.resolve();
    }).then(() => {
      hasEnded = true;
    });
    watching.catch(() => {}); // told where it is waited for
    while (true) {
      more = Promise.withResolvers();
      const isLast = hasEnded;
      if (!await drain()) return new Left(BROKEN_PIPE);
      if (isLast) return undefined;
      await Promise.race([more.promise, watching]);
    }
  }

  /** Nobody reads what it writes: it ends as a program does that writes into a closed pipe. */
  #end(): void {
    if (this.process === undefined) return;
    const mayAct = isCaught(this.process.identity.pid, SIGNALS.SIGHUP);
    this.process.signal(mayAct ? SIGNALS.SIGHUP : SIGNALS.SIGKILL);
  }

  #followSize(): () => void {
    if (this.#input === undefined) return () => {};
    const relay = new TerminalRelay(this.#input);
    const resize = () => relay.copySize();
    Deno.addSignalListener("SIGWINCH", resize);
    resize();
    return () => Deno.removeSignalListener("SIGWINCH", resize);
  }

  #proxySignals(): () => void {
    const listeners = PROXIED.map((name) => {
      const listener = () => this.process?.signal(SIGNALS[name]);
      Deno.addSignalListener(name, listener);
      return () => Deno.removeSignalListener(name, listener);
    });
    return () => listeners.forEach((remove) => remove());
  }

  #exitCode(): number {
    return this.#exit.read()?.exitCode ?? UNKNOWN_EXIT_CODE;
  }

  [Symbol.dispose](): void {
    this.#reader[Symbol.dispose]();
    this.#exit[Symbol.dispose]();
    this.#monitor[Symbol.dispose]();
    this.process?.[Symbol.dispose]();
    if (this.#opened !== undefined) libcCall("close", this.#opened);
  }
}

/** Connects with a container as it starts. */
export class Arrival implements Audience {
  /** Undefined until it runs. */
  attachment: Attachment | undefined;

  constructor(readonly context: { database: Database; paths: Paths }, readonly id: string) {}

  terminalOpened(master: number): void {
    new TerminalRelay(master).copySize();
  }

  running(): void {
    this.attachment = new Attachment(this.context, this.id, true);
  }
}
