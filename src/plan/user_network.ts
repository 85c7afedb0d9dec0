/**
 * Starts what connects a container of an ordinary user, and what ends it with the container: a standalone program, the parent of
 * the first, which waits for the container's end. So it needs no dhow, and does not stay when one was killed.
 */
import {
  AT_EMPTY_PATH,
  AT_FDCWD,
  F_DUPFD,
  O_APPEND,
  O_CLOEXEC,
  O_CREAT,
  O_DIRECTORY,
  O_NOFOLLOW,
  O_PATH,
  O_RDONLY,
  O_RDWR,
  O_WRONLY,
  PR_SET_NAME,
  PR_SET_PDEATHSIG,
  SIG_SETMASK,
  SIGNALS,
} from "../../ffi/constants.ts";
import { Arena } from "../../ffi/arena.ts";
import { ANY_ERRNO } from "../../ffi/errno.ts";
import { cloneWalking, makePipe } from "../../ffi/process.ts";
import { executableInMemory, Label, StandaloneProgram } from "../../ffi/standalone.ts";
import { CallTable, libcCall } from "../../ffi/table.ts";
import { HostError } from "../errors.ts";
import { identify, type ProcessIdentity } from "../state/process_identity.ts";
import { waitFor } from "./pollfd.ts";
import type { HostStep } from "./step.ts";

type Step = Extract<HostStep, { do: "connect-user" }>;

const ANY = { tolerate: ANY_ERRNO };

/**
 * Numbers of the descriptors: the container's first process, what tells that all is ready, a folder, and the network namespace, which
 * pasta could not open: it takes away its own rights before.
 */
const FDS = { container: 3, ready: 4, folder: 5, namespace: 6 } as const;
const PROGRAM_FD = 7;
const LAST_FD = 0xffffffff;

/** Where slirp4netns takes requests, in the container's folder; a path of the folder's own may be too long for a socket. */
const SOCKET = "slirp4netns.sock";
const LOG = "network.log";

/** What the watcher says first: the process of its child, as a word. */
const PID_SIZE = 8;

function watcherProgram(path: string, argv: readonly string[], environment: readonly string[]) {
  const bytes = [path, ...argv, ...environment].reduce((sum, text) => sum + 3 * text.length + 32, 4096);
  const program = new StandaloneProgram(32, bytes);
  const [polled, becoming, wait] = [program.word(waitFor(FDS.container)), new Label(), new Label()];
  program.call("prctl", [PR_SET_NAME, program.text("dhow-network"), 0, 0, 0]);
  const child = program.call("clone", [SIGNALS.SIGCHLD, 0, 0, 0, 0]);
  program.jumpIfEqual(child, 0, becoming);
  const pid = program.word(0);
  program.store(pid, child);
  program.call("write", [FDS.ready, pid.address, PID_SIZE]);
  program.call("close_range", [FDS.ready, LAST_FD, 0]);
  program.place(wait);
  const came = program.call("ppoll", [polled.address, 1, 0, 0, 8], ANY);
  program.jumpIfLess(came, 1, wait);
  program.call("kill", [child, SIGNALS.SIGKILL], ANY);
  program.call("wait4", [child, 0, 0, 0], ANY);
  program.call("exit_group", [0]);
  program.place(becoming);
  program.call("prctl", [PR_SET_PDEATHSIG, SIGNALS.SIGKILL, 0, 0, 0]);
  program.call("close", [FDS.container]);
  program.call("rt_sigprocmask", [SIG_SETMASK, program.words(0), 0, 8]);
  program.call("execve", [program.text(path), program.texts(argv), program.texts(environment)]);
  return program.build();
}

function commandOf({ program, path, args, forwards }: Step): string[] {
  const namespace = `/proc/self/fd/${FDS.namespace}`;
  if (program === "pasta") {
    return [path, "--foreground", "--pid", `/proc/self/fd/${FDS.ready}`, ...args, "--netns", namespace];
  }
  const api = forwards.length === 0 ? [] : [`--api-socket=/proc/self/fd/${FDS.folder}/${SOCKET}`];
  return [path, ...args, `--ready-fd=${FDS.ready}`, ...api, namespace, "eth0"];
}

/**
 * Connects a container whose first process waits.
 * @param child its pid
 * @param pidfd a descriptor of it
 * @param record told of the processes that are to be ended
 * @throws {HostError} when the program does not start, or a port cannot be had
 */
export async function connectUser(
  step: Step,
  { pid: child, pidfd }: { readonly pid: number; readonly pidfd: number },
  record: (started: ProcessIdentity) => void,
): Promise<void> {
  const ready = makePipe();
  const opened = [ready.reader];
  const open = (path: string, flags: number, mode = 0) => {
    const fd = libcCall("openat", AT_FDCWD, path, flags | O_CLOEXEC, mode);
    opened.push(fd);
    return fd;
  };
  const arena = new Arena(256 * 1024);
  try {
    const folder = open(step.folder, O_PATH | O_DIRECTORY);
    const output = open(`${step.folder}/${LOG}`, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW, 0o600);
    const environment = [`PATH=${Deno.env.get("PATH") ?? "/usr/sbin:/usr/bin:/sbin:/bin"}`];
    const program = executableInMemory(
      "dhow-network",
      watcherProgram(step.path, commandOf(step), environment),
    );
    opened.push(program);
    const table = new CallTable(arena, 24);
    table.call("setsid", []);
    // Deno ignores it; pasta of 2023 takes what it finds there for a failure. struct sigaction: zeros are SIG_DFL
    table.call("rt_sigaction", [SIGNALS.SIGPIPE, arena.allocate(32), 0, 8]);
    table.call("chdir", ["/"]);
    const high = (fd: number) => table.call("fcntl", [fd, F_DUPFD, PROGRAM_FD + 1]);
    const network = open(`/proc/${child}/ns/net`, O_RDONLY);
    const [own, container, told, place, net] = [program, pidfd, ready.writer, folder, network].map(high);
    const nothing = table.call("openat", [AT_FDCWD, "/dev/null", O_RDWR]);
    table.call("dup3", [nothing, 0, 0]);
    for (const fd of [1, 2]) table.call("dup3", [output, fd, 0]);
    table.call("dup3", [container!, FDS.container, 0]);
    table.call("dup3", [told!, FDS.ready, 0]);
    table.call("dup3", [place!, FDS.folder, 0]);
    table.call("dup3", [net!, FDS.namespace, 0]);
    table.call("dup3", [own!, PROGRAM_FD, O_CLOEXEC]);
    table.call("close_range", [PROGRAM_FD + 1, LAST_FD, 0]);
    const argv = arena.strings(["dhow-network", step.program]);
    table.call("execveat", [PROGRAM_FD, "", argv, arena.strings([]), AT_EMPTY_PATH]);
    record(identify(cloneWalking(table, 0)));
    libcCall("close", ready.writer);
    const said = arena.allocate(PID_SIZE);
    const listening = new CallTable(arena, 1);
    listening.call("read", [ready.reader, said, PID_SIZE], { least: PID_SIZE });
    await listening.runBlocking();
    // whoever undoes this ends it first, and waits for that: its ports are free then
    record(identify(arena.int(said)));
    const reading = new CallTable(arena, 1);
    const read = reading.call("read", [ready.reader, said, 1]);
    await reading.runBlocking();
    if (read.result !== 1) throw failed(step);
    for (const forward of step.forwards) await request(`/proc/self/fd/${folder}/${SOCKET}`, forward);
  } finally {
    for (const fd of opened) libcCall("close", fd);
    arena.release();
  }
}

const HINTS: Readonly<Record<string, string>> = {
  "External interface not usable":
    "pasta needs a host that has a network besides its loopback; run with --network slirp4netns, or none",
  "Failed to bind":
    "another program has the port, or it is below net.ipv4.ip_unprivileged_port_start and so root's",
  "/dev/net/tun": "the administrator can let users open it: modprobe tun && chmod 666 /dev/net/tun",
};

/** What it has said, without what it says each time. */
function failed({ program, folder }: Step): HostError {
  const lines = Deno.readTextFileSync(`${folder}/${LOG}`).split("\n").map((line) => line.trim());
  const said = lines.filter((line) => line !== "" && !/^(Failed to send|WARNING)/.test(line));
  const hint = Object.entries(HINTS).find(([text]) => said.some((line) => line.includes(text)))?.[1];
  return new HostError({
    what: `cannot connect the container by ${program}`,
    why: said.slice(-3).join("; ") || `${program} ended without a word`,
    hint: hint ?? "see: dhow doctor; or run with --network none",
  });
}

/** slirp4netns(1), "API SOCKET". @throws {HostError} when it refuses */
async function request(socket: string, body: Step["forwards"][number]): Promise<void> {
  using connection = await Deno.connect({ transport: "unix", path: socket });
  await connection.write(new TextEncoder().encode(JSON.stringify(body)));
  await connection.closeWrite();
  const answer = JSON.parse(await new Response(connection.readable).text() || "{}");
  if (answer.error === undefined) return;
  const { host_addr: address, host_port: port, proto } = body.arguments;
  throw new HostError({
    what: `cannot publish port ${address}:${port}/${proto}`,
    why: `slirp4netns: ${answer.error.desc ?? JSON.stringify(answer.error)}`,
    hint: "another program may have it; ports below net.ipv4.ip_unprivileged_port_start are root's",
  });
}
