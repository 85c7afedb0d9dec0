import { Arena } from "../../ffi/arena.ts";
import {
  AF_INET,
  F_DUPFD,
  O_CLOEXEC,
  SIG_SETMASK,
  SIGNALS,
  SOCK_DGRAM,
  SOCK_NONBLOCK,
  SOCK_STREAM,
} from "../../ffi/constants.ts";
import { cloneWalking, makePipe, STACK_SIZE, waitForExit } from "../../ffi/process.ts";
import { CallTable, libcCall } from "../../ffi/table.ts";
import { NAME_SERVER_FDS as FDS } from "../../src/plan/names/layout.ts";
import { nameServerProgram } from "../../src/plan/names/server.ts";

const AT_FDCWD = -100;
const O_PATH = 0o10000000;
const ABOVE_ALL = 40;
const LAST_FD = 0xffffffff;

/**
 * A name server of a CPU, on a port of this host's loopback, that answers from a folder. Its container is a `cat` of its own; the server
 * ends with it.
 */
export class TestedNameServer implements AsyncDisposable {
  private constructor(
    readonly port: number,
    readonly tcpPort: number,
    readonly pid: number,
    readonly container: Deno.ChildProcess,
    readonly arena: Arena,
  ) {}

  static async start(folder: string, arch: string, emulator: readonly string[]): Promise<TestedNameServer> {
    const container = new Deno.Command("cat", { stdin: "piped", stdout: "null" }).spawn();
    const path = `${folder}/.program`;
    const program = nameServerProgram({ isSteered: false, user: undefined }, arch);
    Deno.writeFileSync(path, program, { mode: 0o755 });
    const arena = new Arena((256 << 10) + STACK_SIZE);
    const ready = makePipe();
    const opened = [ready.reader, ready.writer];
    const open = (fd: number) => {
      opened.push(fd);
      return fd;
    };
    try {
      const socket = (type: number) => {
        const fd = open(libcCall("socket", AF_INET, type | SOCK_NONBLOCK | O_CLOEXEC, 0));
        const address = arena.data(Uint8Array.of(AF_INET, 0, 0, 0, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0));
        libcCall("bind", fd, address, 16);
        if (type === SOCK_STREAM) libcCall("listen", fd, 16);
        return fd;
      };
      const signals = arena.words([2 ** (SIGNALS.SIGCHLD - 1)]);
      const sources = {
        container: open(libcCall("pidfd_open", container.pid, 0)),
        ready: ready.writer,
        folder: open(libcCall("openat", AT_FDCWD, folder, O_PATH | O_CLOEXEC)),
        udp: socket(SOCK_DGRAM),
        tcp: socket(SOCK_STREAM),
        children: open(libcCall("signalfd4", -1, signals, 8, O_CLOEXEC)),
      };
      const [port, tcpPort] = [portOf(sources.udp, "udp"), portOf(sources.tcp, "tcp")];
      const table = new CallTable(arena, 40);
      const gathered = Object.entries(sources).map(([name, fd]) =>
        [name as keyof typeof sources, table.call("fcntl", [fd, F_DUPFD, ABOVE_ALL])] as const
      );
      table.call("close_range", [3, ABOVE_ALL - 1, 0]);
      for (const [name, fd] of gathered) table.call("dup3", [fd, FDS[name], 0]);
      table.call("close_range", [ABOVE_ALL, LAST_FD, 0]);
      table.call("rt_sigprocmask", [SIG_SETMASK, signals, 0, 8]);
      const argv = arena.strings([...emulator, path]);
      table.call("execve", [emulator[0] ?? path, argv, arena.strings([])]);
      const pid = cloneWalking(table, 0);
      libcCall("close", opened.splice(opened.indexOf(ready.writer), 1)[0]!);
      const reading = new CallTable(arena, 1);
      const read = reading.call("read", [ready.reader, arena.allocate(1), 1]);
      await reading.runBlocking();
      if (read.result !== 1) throw new Error(`the name server did not start: ${table.failure?.name}`);
      return new TestedNameServer(port, tcpPort, pid, container, arena);
    } finally {
      for (const fd of opened) libcCall("close", fd);
    }
  }

  /** Ends the container, waits for the server's end. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.container.stdin.close();
    await this.container.status;
    const status = await waitForExit(this.pid);
    this.arena.release();
    if (!("code" in status) || status.code !== 0) {
      throw new Error(`the name server ended with ${JSON.stringify(status)}`);
    }
  }
}

/** The port that a socket was given (proc(5), /proc/net/udp). */
function portOf(fd: number, protocol: "udp" | "tcp"): number {
  const inode = /\d+/.exec(Deno.readLinkSync(`/proc/self/fd/${fd}`))![0];
  for (const line of Deno.readTextFileSync(`/proc/self/net/${protocol}`).split("\n")) {
    const fields = line.trim().split(/\s+/);
    if (fields[9] === inode) return parseInt(fields[1]!.split(":")[1]!, 16);
  }
  throw new Error(`no socket with inode ${inode}`);
}
