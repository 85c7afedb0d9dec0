import { join } from "@std/path";
import { eventually } from "./eventually.ts";
import { type Output, run, Running, type RunOptions, succeed } from "./process.ts";

export const REPOSITORY = new URL("../..", import.meta.url).pathname.replace(/\/$/, "");
export const DHOW = Deno.env.get("DHOW_BINARY") ?? join(REPOSITORY, "dist/dhow");
const SCRIPT = new URL("host.sh", import.meta.url).pathname;

/** Addresses of the host and of its internet (host.sh). */
export const HOST_ADDRESS = "198.51.100.2";
export const WEB_NAME = "web.example.test";
export const WEB_ADDRESS = "203.0.113.80";
export const DNS_ADDRESS = "203.0.113.53";

/** A process of the host, as the host sees it. */
export interface HostProcess {
  readonly pid: number;
  readonly command: string;
}

export interface HostRunOptions extends RunOptions {
  /** A folder of the host. */
  readonly cwd?: string;
}

/**
 * A host machine for one test (host.sh): its own network, mounts, processes, cgroups, /etc, /run and /var/lib, and an internet
 * to which it is connected. All of it goes when this object is disposed of, or when the test process dies.
 */
export class Host implements AsyncDisposable {
  readonly #holder: Running;
  /** The host's first process, by its pid on the machine. */
  readonly pid: number;
  #commands = 0;

  private constructor(holder: Running, pid: number) {
    this.#holder = holder;
    this.pid = pid;
  }

  static async start(): Promise<Host> {
    const holder = new Running(["sh", SCRIPT, "hold"]);
    try {
      const [, pid] = await holder.stdout.until(/^(\d+)\n/);
      return new Host(holder, Number(pid));
    } catch (error) {
      const { stderr } = await holder.output();
      throw new Error(`the test's host did not start: ${stderr}`, { cause: error });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#holder.output();
  }

  /** A file of the host by a path that works in the test process. */
  path(path: string): string {
    return `/proc/${this.pid}/root${path}`;
  }

  /** A place for the test's own files, by its path in the host. Nobody else writes there. */
  file(name: string): string {
    return `/run/host/files/${name}`;
  }

  /** Puts a file there. Returns its path in the host. */
  async write(name: string, content: string | Uint8Array, mode = 0o644): Promise<string> {
    const path = this.file(name);
    const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
    await Deno.writeFile(this.path(path), bytes, { mode });
    await Deno.chmod(this.path(path), mode);
    return path;
  }

  /** The command that runs a command in the host. */
  enter(argv: readonly string[]): string[] {
    const namespaces = ["--mount", "--net", "--uts", "--ipc", "--cgroup", "--pid"];
    return ["nsenter", "--target", `${this.pid}`, ...namespaces, "--", "sh", SCRIPT, "enter", ...argv];
  }

  run(argv: readonly string[], { cwd = "/", ...options }: HostRunOptions = {}): Promise<Output> {
    return run(this.enter(["env", "--chdir", cwd, ...argv]), options);
  }

  succeed(argv: readonly string[], options?: RunOptions): Promise<string> {
    return succeed(this.enter(argv), options);
  }

  /** A script for sh, run in the host; it must succeed. */
  shell(script: string): Promise<string> {
    return this.succeed(["sh", "-euc", script]);
  }

  /** Takes programs away from the host: names, or patterns of sh. */
  async hide(...programs: string[]): Promise<void> {
    await this.shell(
      `cd /usr && rm -f ${programs.flatMap((name) => [`bin/${name}`, `sbin/${name}`]).join(" ")}`,
    );
  }

  dhow(args: readonly string[], options?: HostRunOptions): Promise<Output> {
    return this.run([DHOW, ...args], options);
  }

  spawn(argv: readonly string[], options?: RunOptions): RunningInHost {
    const pidFile = this.file(`pid-${++this.#commands}`);
    const recorded = ["sh", "-c", 'echo $$ >"$0" && exec "$@"', pidFile, ...argv];
    return new RunningInHost(this, this.enter(recorded), pidFile, options);
  }

  spawnDhow(args: readonly string[], options?: RunOptions): RunningInHost {
    return this.spawn([DHOW, ...args], options);
  }

  /** All processes of the host, its containers' too. */
  processes(): HostProcess[] {
    const processes: HostProcess[] = [];
    for (const entry of Deno.readDirSync(this.path("/proc"))) {
      if (!/^\d+$/.test(entry.name)) continue;
      try {
        const path = this.path(`/proc/${entry.name}`);
        const state = Deno.readTextFileSync(`${path}/stat`).match(/\) (.)/)?.[1];
        const command = Deno.readTextFileSync(`${path}/cmdline`).replaceAll("\0", " ").trim();
        if (state !== "X") processes.push({ pid: Number(entry.name), command });
      } catch {
        // it has ended
      }
    }
    return processes;
  }

  /** The pid of the process whose command begins like this; waits until there is one. */
  pidOf(command: string): Promise<number> {
    return eventually(() => {
      const process = this.processes().find((each) => each.command.startsWith(command));
      if (process === undefined) throw new Error(`no process of the host is: ${command}`);
      return process.pid;
    });
  }
}

/** A command of the host that runs while the test goes on. */
export class RunningInHost extends Running {
  constructor(readonly host: Host, argv: readonly string[], readonly pidFile: string, options?: RunOptions) {
    super(argv, options);
  }

  /** Its pid in the host. */
  hostPid(): Promise<number> {
    return eventually(() => {
      const pid = Deno.readTextFileSync(this.host.path(this.pidFile)).trim();
      if (pid === "") throw new Error("no pid yet");
      return Number(pid);
    });
  }

  async kill(signal: string): Promise<void> {
    await this.host.succeed(["kill", `-${signal}`, `${await this.hostPid()}`]);
  }

  /** nsenter does not pass signals on, so the command itself is killed first. */
  override async [Symbol.asyncDispose](): Promise<void> {
    await this.host.run(["kill", "-KILL", `${await this.hostPid()}`]);
    await super[Symbol.asyncDispose]();
  }
}
