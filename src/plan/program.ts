import { Arena } from "../../ffi/arena.ts";
import {
  AT_FDCWD,
  CLONE_NEWNET,
  F_DUPFD,
  MFD_CLOEXEC,
  O_CLOEXEC,
  O_RDONLY,
  SEEK_END,
  SIG_SETMASK,
  SIGNALS,
} from "../../ffi/constants.ts";
import { ANY_ERRNO, describeErrno } from "../../ffi/errno.ts";
import { cloneBriefly, exitCode, ownEnvironment, STACK_SIZE, waitForExit } from "../../ffi/process.ts";
import { CallTable, libcCall, tryLibcCall } from "../../ffi/table.ts";
import { HostError } from "../errors.ts";

/** Where administrators' programs lie, in case PATH lacks them (as after `su` without a dash). */
const SYSTEM_FOLDERS = ["/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/local/bin", "/usr/bin", "/bin"];

/** The path of a program of the host; undefined when it is not installed. */
export function findProgram(name: string): string | undefined {
  const folders = (Deno.env.get("PATH") ?? "").split(":").filter((folder) => folder.startsWith("/"));
  for (const folder of [...folders, ...SYSTEM_FOLDERS]) {
    const path = `${folder}/${name}`;
    // by libc: it is in one of them at most, and an exception of Deno's takes longer than the call
    if (tryLibcCall(ANY_ERRNO, "faccessat", AT_FDCWD, path, X_OK, 0) === 0 && Deno.statSync(path).isFile) {
      return path;
    }
  }
  return undefined;
}

/** @throws {HostError} when ip(8) is not installed */
export function requireIp(): string {
  const path = findProgram("ip");
  if (path !== undefined) return path;
  throw new HostError({
    what: "cannot set up the network",
    why: 'this host has no "ip" command',
    hint: "install it (Debian: apt-get install iproute2), or run with --network none or --network host",
  });
}

/** A mode of access(2). */
const X_OK = 1;
/** Bytes for a stack, a table, and what is small. */
const ROOM = STACK_SIZE + 16 * 1024;
/** sigset_t of the kernel, struct sigaction of the kernel: bytes. Zeros are no signal, and SIG_DFL. */
const SIGNAL_SET_SIZE = 8;
const SIGACTION_SIZE = 32;
const LAST_FD = 0xffffffff;

/**
 * Runs a program of the host with `input` on its standard input. Deno's own way to do that takes 4 ms longer the first time, and 1 ms
 * after that. What the program reads and prints is in files in memory: it never waits for this process.
 * @param networkOf run it in the network namespace of this process
 * @returns its standard output
 * @throws {HostError} when it fails; the message holds what it printed
 */
export async function runProgram(
  path: string,
  args: string[],
  { input = "", what, networkOf }: { input?: string; what: string; networkOf?: number },
): Promise<string> {
  const given = new TextEncoder().encode(input);
  const arena = new Arena(ROOM + given.length + 8 * [path, ...args].join("").length);
  const opened: number[] = [];
  const keep = (fd: number) => {
    opened.push(fd);
    return fd;
  };
  try {
    const streams = ["input", "output", "errors"].map((name) =>
      keep(libcCall("memfd_create", name, MFD_CLOEXEC))
    ) as [input: number, output: number, errors: number];
    const [standardInput, output, errors] = streams;
    writeAll(standardInput, arena.data(given), given.length);
    const table = new CallTable(arena, 12);
    if (networkOf !== undefined) {
      table.call("setns", [
        keep(libcCall("openat", AT_FDCWD, `/proc/${networkOf}/ns/net`, O_RDONLY | O_CLOEXEC)),
        CLONE_NEWNET,
      ]);
    }
    // above the three: some of them may be closed in this process
    const high = streams.map((fd) => table.call("fcntl", [fd, F_DUPFD, streams.length]));
    high.forEach((fd, number) => table.call("dup3", [fd, number, 0]));
    table.call("close_range", [streams.length, LAST_FD, 0]);
    // Deno ignores it
    table.call("rt_sigaction", [SIGNALS.SIGPIPE, arena.allocate(SIGACTION_SIZE), 0, SIGNAL_SET_SIZE]);
    table.call("rt_sigprocmask", [SIG_SETMASK, arena.allocate(SIGNAL_SET_SIZE), 0, SIGNAL_SET_SIZE]);
    table.call("execve", [path, arena.strings([path, ...args]), ownEnvironment()]);
    const status = await waitForExit(cloneBriefly(table));
    const { failure } = table;
    if (failure !== undefined) {
      throw new HostError({
        what,
        why: `cannot execute ${path}: ${failure.name}: ${describeErrno(failure.errno)}`,
      });
    }
    if (exitCode(status) !== 0) {
      const said = contentOf(errors).trim().split("\n").filter((line) => line !== "").join("; ");
      throw new HostError({ what, why: `${path} ${args.join(" ")} said: ${said || "nothing"}` });
    }
    return contentOf(output);
  } finally {
    for (const fd of opened) libcCall("close", fd);
    arena.release();
  }
}

/** Writes to a file in memory, and leaves its offset at the start. */
function writeAll(fd: number, address: number, length: number): void {
  for (let at = 0; at < length;) at += libcCall("pwrite", fd, address + at, length - at, at);
}

/** What is in a file in memory. */
function contentOf(fd: number): string {
  const length = libcCall("lseek", fd, 0, SEEK_END);
  const arena = new Arena(length + 8);
  try {
    const start = arena.allocate(length + 1);
    for (let at = 0; at < length;) at += libcCall("pread", fd, start + at, length - at, at);
    return new TextDecoder().decode(
      arena.bytes.subarray(start - arena.address, start - arena.address + length),
    );
  } finally {
    arena.release();
  }
}

/** Makes changes to links, addresses and routes: one `ip` process for all of them (ip(8), -batch). */
export async function runIp(commands: readonly string[], what: string, networkOf?: number): Promise<void> {
  const options = { input: commands.join("\n") + "\n", what };
  await runProgram(
    requireIp(),
    ["-batch", "-"],
    networkOf === undefined ? options : { ...options, networkOf },
  );
}
