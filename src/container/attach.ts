/** Somebody at a container that runs by itself: what it writes from now on, and what it reads. */
import { EBADF, ESRCH } from "../../ffi/errno.ts";
import { AT_FDCWD, O_CLOEXEC, O_WRONLY, SIGNALS } from "../../ffi/constants.ts";
import { libcCall, tryLibcCall } from "../../ffi/table.ts";
import { DhowError, UsageError } from "../errors.ts";
import { log } from "../log.ts";
import { CONTROL, MONITOR_FDS, STREAMS } from "../plan/monitor.ts";
import type { Database } from "../state/database.ts";
import type { Paths } from "../state/paths.ts";
import { ProcessHandle } from "../state/process_end.ts";
import type { DetachKeys } from "./detach_keys.ts";
import { LogReader } from "./log_reader.ts";
import { type ContainerRecord, getContainer } from "./records.ts";
import { ExitFile, logPath } from "./settle.ts";
import { awaitForeground, copyInput, RawTerminal, requireTerminal, TerminalRelay } from "./terminal.ts";

export interface AttachOptions {
  /** Whether the container is to read this process's standard input, if it reads any. */
  readonly input: boolean;
  /** Whether signals are for the container; with a terminal they are not. */
  readonly proxiesSignals: boolean;
  readonly detachKeys: DetachKeys;
}

const PROXIED = ["SIGHUP", "SIGINT", "SIGQUIT", "SIGTERM", "SIGUSR1", "SIGUSR2", "SIGALRM"] as const;

/** The exit code that docker gives when it does not know. */
const UNKNOWN_EXIT_CODE = 255;

/**
 * Makes sure that this process has a terminal, if the container wants one.
 * @throws {UsageError} when it has none
 */
export function requireTerminalFor({ config }: ContainerRecord, { input }: AttachOptions): void {
  if (!input || !config.options.terminal || !config.options.interactive) return;
  requireTerminal();
  awaitForeground();
}

/** What is taken hold of while the container surely runs: it may end, and be removed, at any time afterwards. */
export class Attachment implements Disposable {
  readonly #record: ContainerRecord;
  readonly #monitor: ProcessHandle;
  readonly #process: ProcessHandle | undefined;
  readonly #reader: LogReader;
  readonly #exit: ExitFile;
  /** What the container reads; undefined when it reads nothing, or not any more. */
  readonly #input: number | undefined;

  /** @throws {DhowError} when the container does not run */
  constructor({ database, paths }: { database: Database; paths: Paths }, id: string) {
    const record = this.#record = getContainer(database, id);
    if (record.status === "foreground") {
      throw new UsageError({
        what: `cannot attach to container ${record.name}`,
        why: "it is at the terminal that it was started from",
        hint: "containers that run with --detach can be attached to",
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
    this.#process = ProcessHandle.open(record.process);
    this.#reader = LogReader.fromEnd(logPath(paths, id), record.config.options.log.maxFiles);
    this.#exit = new ExitFile(paths, id);
    const { terminal, interactive } = record.config.options;
    const number = terminal ? MONITOR_FDS.output : interactive ? MONITOR_FDS.input : undefined;
    this.#input = number === undefined ? undefined : this.#take(number);
  }

  /** One of the monitor's descriptors; undefined when it has closed it, or is no monitor any more. */
  #take(number: number): number | undefined {
    const fd = tryLibcCall([EBADF, ESRCH], "pidfd_getfd", this.#monitor.fd, number, 0);
    if (fd < 0) return undefined;
    // the command that it becomes has others under these numbers
    if (isMonitor(this.#monitor.identity.pid)) return fd;
    libcCall("close", fd);
    return undefined;
  }

  /**
   * Stays until the container has ended.
   * @returns its exit code; undefined when the detach keys were typed, and it goes on
   */
  async run(options: AttachOptions): Promise<number | undefined> {
    const { terminal, interactive } = this.#record.config.options;
    const readsInput = options.input && interactive && this.#input !== undefined;
    const raw = terminal && readsInput && Deno.stdin.isTerminal() ? new RawTerminal() : undefined;
    const release = terminal ? this.#followSize() : options.proxiesSignals ? this.#proxySignals() : () => {};
    try {
      const left = Promise.withResolvers<"left">();
      if (readsInput) {
        const failed = (error: unknown) => log.warn(`the input failed: ${error}`);
        this.#feed(this.#input!, terminal ? options.detachKeys : undefined)
          .then((isLeaving) => isLeaving && left.resolve("left"), failed);
      }
      const isLeft = await Promise.race([this.#follow(), left.promise]) === "left";
      return isLeft ? undefined : this.#exitCode();
    } finally {
      raw?.restore();
      release();
    }
  }

  async #feed(input: number, keys: DetachKeys | undefined): Promise<boolean> {
    const isLeaving = await copyInput(input, keys);
    const { options } = this.#record.config;
    // docker's StdinOnce: who runs it detached may come with more input
    if (options.terminal || options.detach) return isLeaving;
    libcCall("close", input);
    this.#closeInput();
    return isLeaving;
  }

  /** Asks the monitor to let go of it as well. */
  #closeInput(): void {
    const control = this.#take(MONITOR_FDS.control);
    if (control === undefined) return;
    // it may be an end that can only be read: the other one is had by way of /proc
    const writer = libcCall("openat", AT_FDCWD, `/proc/self/fd/${control}`, O_WRONLY | O_CLOEXEC);
    libcCall("write", writer, CONTROL.closeInput, 1);
    for (const fd of [control, writer]) libcCall("close", fd);
  }

  /** Writes what comes, each stream to its own, until the container's owner has ended. */
  async #follow(): Promise<void> {
    using watcher = this.#watch();
    const ended = this.#monitor.ended().then(() => watcher?.close());
    this.#drain();
    for await (const _ of watcher ?? []) this.#drain();
    await ended;
    this.#drain();
  }

  /** @returns undefined when its folder is gone: it has ended, and was removed */
  #watch(): Deno.FsWatcher | undefined {
    const { path } = this.#reader;
    try {
      return Deno.watchFs(path.slice(0, path.lastIndexOf("/")), { recursive: false });
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return undefined;
      throw error;
    }
  }

  #drain(): void {
    for (let record = this.#reader.next(); record !== undefined; record = this.#reader.next()) {
      const stream = record.stream === STREAMS.errors ? Deno.stderr : Deno.stdout;
      try {
        for (let done = 0; done < record.bytes.length;) done += stream.writeSync(record.bytes.subarray(done));
      } catch (error) {
        // nobody reads it; the container writes to its log, and need not know
        if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
      }
    }
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
      const listener = () => this.#process?.signal(SIGNALS[name]);
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
    this.#process?.[Symbol.dispose]();
  }
}

function isMonitor(pid: number): boolean {
  try {
    return Deno.readLinkSync(`/proc/${pid}/exe`).startsWith("/memfd:dhow-monitor");
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
