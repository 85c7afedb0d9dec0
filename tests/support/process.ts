import { within } from "./eventually.ts";

/** What a command printed, and how it ended. */
export interface Output {
  /** 128 + n for a command that signal n ended, as a shell has it. */
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  /** Standard output as it came. */
  readonly bytes: Uint8Array;
}

export interface RunOptions {
  /** What the command reads; it then ends. */
  readonly stdin?: string | Uint8Array;
  /** Added to a small environment; the test's own does not reach the command. */
  readonly env?: Readonly<Record<string, string>>;
}

const encoder = new TextEncoder();

const ENVIRONMENT = {
  PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
  HOME: "/root",
  TERM: "xterm",
  LC_ALL: "C.UTF-8",
};

/** A stream read as it comes, so that a test can wait for something in it. */
class Collector {
  readonly #chunks: Uint8Array[] = [];
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #ended: Promise<void>;
  #changed = Promise.withResolvers<void>();
  #finished = false;

  constructor(stream: ReadableStream<Uint8Array>) {
    this.#reader = stream.getReader();
    this.#ended = this.#read();
  }

  async #read(): Promise<void> {
    for (let part = await this.#reader.read(); !part.done; part = await this.#reader.read()) {
      this.#chunks.push(part.value);
      this.#notify();
    }
    this.#finished = true;
    this.#notify();
  }

  #notify(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }

  get bytes(): Uint8Array {
    const all = new Uint8Array(this.#chunks.reduce((size, chunk) => size + chunk.length, 0));
    let offset = 0;
    for (const chunk of this.#chunks) {
      all.set(chunk, offset);
      offset += chunk.length;
    }
    return all;
  }

  get text(): string {
    return new TextDecoder().decode(this.bytes);
  }

  end(): Promise<void> {
    return this.#ended;
  }

  /** Reads no further: a process that is still there may hold the other end. */
  async cancel(): Promise<void> {
    await this.#reader.cancel();
    await this.#ended;
  }

  /** Waits until a pattern is in the stream, and returns its match. Throws when the stream ends without it. */
  async until(pattern: RegExp): Promise<RegExpMatchArray> {
    while (true) {
      const match = this.text.match(pattern);
      if (match !== null) return match;
      if (this.#finished) throw new Error(`the stream ended without ${pattern}; it was: ${this.text}`);
      await within(this.#changed.promise, () => `${pattern}; so far there is: ${this.text}`);
    }
  }
}

/** A command that runs while the test goes on. Disposing of it kills it. */
export class Running implements AsyncDisposable {
  readonly stdout: Collector;
  readonly stderr: Collector;
  readonly #child: Deno.ChildProcess;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  #stdinOpen = true;

  constructor(readonly argv: readonly string[], { env }: RunOptions = {}) {
    this.#child = new Deno.Command(argv[0]!, {
      args: argv.slice(1),
      clearEnv: true,
      env: { ...ENVIRONMENT, ...env },
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.stdout = new Collector(this.#child.stdout);
    this.stderr = new Collector(this.#child.stderr);
    this.#writer = this.#child.stdin.getWriter();
  }

  get pid(): number {
    return this.#child.pid;
  }

  /** Writes to its standard input, which a command is free not to read. */
  async write(data: string | Uint8Array): Promise<void> {
    const bytes = typeof data === "string" ? encoder.encode(data) : data;
    await this.#writer.write(bytes).catch((error) => {
      if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
    });
  }

  async closeStdin(): Promise<void> {
    if (!this.#stdinOpen) return;
    this.#stdinOpen = false;
    await this.#writer.close().catch(() => {}); // after a broken pipe it is closed already
  }

  /** Waits for its end; what it reads ends now, or, for a command that is to end by something else, only after it. */
  async output({ endsInput = true } = {}): Promise<Output> {
    if (endsInput) await this.closeStdin();
    const ended = Promise.all([this.#child.status, this.stdout.end(), this.stderr.end()]);
    const soFar = () => `its stdout: ${this.stdout.text}\nits stderr: ${this.stderr.text}`;
    const [status] = await within(ended, () => `the end of: ${this.argv.join(" ")}\n${soFar()}`);
    return {
      code: status.code,
      stdout: this.stdout.text,
      stderr: this.stderr.text,
      bytes: this.stdout.bytes,
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // it has ended
    }
    await this.closeStdin();
    await Promise.all([this.#child.status, this.stdout.cancel(), this.stderr.cancel()]);
  }
}

/** Runs a command to its end. */
export async function run(argv: readonly string[], options: RunOptions = {}): Promise<Output> {
  await using command = new Running(argv, options);
  if (options.stdin !== undefined) await command.write(options.stdin);
  return await command.output();
}

/** The same, for a command that has to succeed. */
export async function succeed(argv: readonly string[], options: RunOptions = {}): Promise<string> {
  const { code, stdout, stderr } = await run(argv, options);
  if (code !== 0) throw new Error(`${argv.join(" ")}: exit code ${code}\n${stdout}${stderr}`);
  return stdout;
}
