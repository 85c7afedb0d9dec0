import { Arena } from "./arena.ts";
import {
  CLONE_NEWPID,
  CLONE_NEWTIME,
  CLONE_PARENT,
  CLONE_PARENT_SETTID,
  CLONE_VFORK,
  CLONE_VM,
  PR_SET_DUMPABLE,
  SIG_SETMASK,
  SIGNALS,
} from "./constants.ts";
import { ANY_ERRNO, SystemCallError } from "./errno.ts";
import { ENTRY_SIZE } from "./machine_code.ts";
import { walkerAddress } from "./libc.ts";
import { type ExitStatus, type Pipe, readExitStatus, SIGSET_SIZE, STACK_SIZE } from "./process.ts";
import { type Call, CallTable, libcCall, Word } from "./table.ts";

/** A child that walks a table until it executes a program. */
export interface SpawnedChild {
  readonly pid: number;
  /** Resolves when it has ended and was reaped. */
  readonly ended: Promise<ExitStatus>;
}

/** Adds the call that starts a child in this process's memory. The call does not fail; its result may be negative. */
function addClone(
  starting: CallTable,
  table: CallTable,
  namespaces: number,
  pid: number,
  // who is in the same pid namespace might trace it: then it gets a copy, which costs 3 ms
  isCopy = (namespaces & CLONE_NEWPID) === 0 && namespaces !== 0,
): Call {
  const stack = table.arena.allocate(STACK_SIZE, 16) + STACK_SIZE;
  // clone(2) has no such flag: the child makes that one itself, and only who shares no memory can join it (time_namespaces(7))
  const makesTime = (namespaces & CLONE_NEWTIME) !== 0;
  const shared = isCopy || makesTime ? 0 : CLONE_VM;
  const flags = (namespaces & ~CLONE_NEWTIME) | shared | CLONE_VFORK | CLONE_PARENT_SETTID | SIGNALS.SIGCHLD;
  return starting.call("clone", [walkerAddress, stack, flags, table.address, pid], { tolerate: ANY_ERRNO });
}

/** A pid that nobody has: the kernel's are below 2^22 (proc(5), pid_max). */
const NO_PID = 0x7fff_ffff;

/** A child that is started by another one, which has ended since. */
interface JoiningClone {
  /** Its pid, or that of nobody. */
  readonly pid: Word;
  /** @returns why there is none */
  failure(): { readonly name: string; readonly errno: number } | undefined;
}

/**
 * Adds the calls that start a child in an existing pid namespace, which is joined by who starts the child (pid_namespaces(7)). That is a
 * process in between, which gives the child to its own parent (CLONE_PARENT) and ends: only who has rights in the first namespace
 * could go back to it, and who does not could start no threads, nor become a program that does (clone(2), CLONE_THREAD).
 *
 * Who is in the namespace sees the child, but cannot look into it: its memory is a copy that cannot be traced before it executes a program
 * (prctl(2), PR_SET_DUMPABLE).
 * @param pidfd of a process in that namespace
 * @param pid where the child's pid comes to be
 */
function addJoiningClone(
  starting: CallTable,
  pidfd: number,
  table: CallTable,
  namespaces: number,
  pid: number,
): JoiningClone {
  const { arena } = starting;
  arena.setWord(pid, NO_PID);
  const between = new CallTable(arena, 4);
  between.call("setns", [pidfd, CLONE_NEWPID]);
  between.call("prctl", [PR_SET_DUMPABLE, 0, 0, 0, 0]);
  const clone = addClone(between, table, namespaces | CLONE_PARENT, pid, true);
  between.call("prctl", [PR_SET_DUMPABLE, 1, 0, 0, 0]);
  const starter = addClone(starting, between, 0, arena.allocate(8));
  starting.call("wait4", [starter, 0, 0, 0]);
  const failure = () => starter.result < 0 ? starter : clone.result < 0 ? clone : between.failure;
  return { pid: new Word(pid), failure };
}

/**
 * Starts a child as spawnWalking does, in an existing pid namespace.
 * @param pidfd of a process in that namespace
 * @param meanwhile as spawnWalking's
 * @throws {SystemCallError} also when it cannot be joined: ESRCH when the process has ended
 */
export async function spawnJoining(
  table: CallTable,
  namespaces: number,
  ready: Pipe,
  pidfd: number,
  meanwhile: () => void = () => {},
): Promise<SpawnedChild> {
  const arena = new Arena(STACK_SIZE + 16 * 1024);
  const [pid, status, byte] = [arena.allocate(8), arena.allocate(8), arena.allocate(1)];
  const everySignal = arena.data(new Uint8Array(SIGSET_SIZE).fill(0xff));
  const before = arena.allocate(SIGSET_SIZE);
  const starting = new CallTable(arena, 8);
  starting.call("sigprocmask", [SIG_SETMASK, everySignal, before]);
  const joining = addJoiningClone(starting, pidfd, table, namespaces, pid);
  starting.call("close", [ready.writer]);
  starting.call("getpgid", [joining.pid]); // ends this walk when there is none
  starting.call("wait4", [joining.pid, status, 0, 0]);
  starting.call("sigprocmask", [SIG_SETMASK, before, 0]);
  const ended = starting.runBlocking().then(() => readExitStatus(arena.int(status)), (error) => {
    const failure = joining.failure();
    throw failure === undefined ? error : new SystemCallError(failure.name, failure.errno);
  });
  ended.catch(() => {}); // reported by who waits for the end, here or there
  const reading = new CallTable(arena, 1);
  const read = reading.call("read", [ready.reader, byte, 1]);
  try {
    meanwhile();
  } finally {
    await reading.runBlocking(); // also then: see spawnWalking
  }
  if (read.result !== 1) await ended;
  return { pid: arena.int(pid), ended: ended.finally(() => arena.release()) };
}

/**
 * Starts a child that walks a table, as posix_spawn(3) does: it shares this process's memory, so that nothing has to be
 * copied (3 ms for a process of Deno's size), and the thread that started it sleeps until it executes a program or ends.
 * That thread comes from Deno's pool, and stays with the child until its end, because the child's PR_SET_PDEATHSIG speaks
 * of the thread, not of the process (prctl(2)).
 *
 * The child has a stack of its own, and uses the sleeping thread's errno. Signals are blocked in it until its table
 * unblocks them, so that no handler of Deno's runs there. A child that is to join namespaces with other processes in them
 * must not be started like this: whoever may trace it there could read this process's memory.
 *
 * @param table its calls, of which the first writes one byte to `ready`; a walk that fails ends the child with code 1
 * @param namespaces CLONE_NEW... flags
 * @param ready its writer is closed here once the child has a copy, so that its reader sees the child's end
 * @param meanwhile what this thread does while the kernel makes the child, which takes a millisecond or two with namespaces. It may add
 * calls to the table that the child does not come to before a byte from here.
 * @returns once the child has written that byte
 * @throws {SystemCallError} when the kernel refuses; and what `meanwhile` throws
 */
export function spawnWalking(
  table: CallTable,
  namespaces: number,
  ready: Pipe,
  meanwhile: () => void = () => {},
): SpawnedChild {
  const arena = new Arena(16 * 1024);
  const pid = arena.allocate(8);
  const status = arena.allocate(8);
  const everySignal = arena.data(new Uint8Array(SIGSET_SIZE).fill(0xff));
  const before = arena.allocate(SIGSET_SIZE);

  const starting = new CallTable(arena, 8);
  starting.call("sigprocmask", [SIG_SETMASK, everySignal, before]);
  const clone = addClone(starting, table, namespaces, pid);
  starting.call("close", [ready.writer]);
  // the result of a clone that failed is nobody's pid, and ends this walk
  starting.call("getpgid", [clone]);
  starting.call("wait4", [clone, status, 0, 0]);
  starting.call("sigprocmask", [SIG_SETMASK, before, 0]);
  const ended = starting.runBlocking().then(
    () => readExitStatus(arena.int(status)),
    (error) => Promise.reject(clone.result < 0 ? new SystemCallError("clone", clone.errno) : error),
  ).finally(() => arena.release());
  ended.catch(() => {}); // reported by who waits for the end, here or there

  const byte = arena.allocate(1);
  let said = 0;
  try {
    meanwhile();
  } finally {
    // Also then: before the child exists it has no descriptors of its own, and whoever closes what it needs here may open something else
    // by that number.
    said = libcCall("read", ready.reader, byte, 1);
  }
  if (said === 1) return { pid: arena.int(pid), ended };
  throw new SystemCallError("clone", clone.errno);
}

/** A child whose parent is a monitor: another child, which executes a program of its own. */
export interface MonitoredChild {
  readonly pid: number;
  /** Of the monitor, a child of this process. */
  readonly monitor: number;
  /** What the monitor does until it executes its program. */
  readonly table: CallTable;
  /** Resolves when both have executed their programs, or have ended. */
  readonly settled: Promise<void>;
}

/**
 * Starts a child as spawnWalking does, but as the child of a monitor, which outlives this process. Both share this process's memory
 * until they execute their programs: first the child, then the monitor.
 *
 * @param table the child's calls, of which the first writes one byte to `ready`
 * @param namespaces CLONE_NEW... flags, of the child alone
 * @param ready its writer is closed here once both have a copy
 * @param notMonitors descriptors that the monitor must not keep open while the child waits: it would not notice this process's end
 * @param addCalls adds what the monitor does once the child has executed its program, or has ended; the last is an execve
 * @param capacity how many calls it adds at most
 * @param pidfd of a process whose pid namespace the child joins; undefined when it joins none
 * @param meanwhile as spawnWalking's
 * @returns once the child has written that byte
 * @throws {SystemCallError} when the kernel refuses; ESRCH when that process has ended
 */
export function spawnMonitored(
  table: CallTable,
  namespaces: number,
  ready: Pipe,
  notMonitors: readonly number[],
  addCalls: (table: CallTable, child: Call | Word) => void,
  capacity: number,
  pidfd?: number,
  meanwhile: () => void = () => {},
): MonitoredChild {
  const arena = new Arena(256 * 1024 + 2 * capacity * ENTRY_SIZE);
  const childPid = arena.allocate(8);
  const monitorPid = arena.allocate(8);
  const everySignal = arena.data(new Uint8Array(SIGSET_SIZE).fill(0xff));
  const before = arena.allocate(SIGSET_SIZE);

  const monitor = new CallTable(arena, capacity + notMonitors.length + 8);
  monitor.call("setsid", []);
  for (const fd of notMonitors) monitor.call("close", [fd]);
  const joining = pidfd === undefined
    ? undefined
    : addJoiningClone(monitor, pidfd, table, namespaces, childPid);
  const clone = joining === undefined ? addClone(monitor, table, namespaces, childPid) : undefined;
  const child = joining?.pid ?? clone!;
  monitor.call("getpgid", [child]); // ends this walk when there is none
  addCalls(monitor, child);

  const starting = new CallTable(arena, 8);
  starting.call("sigprocmask", [SIG_SETMASK, everySignal, before]);
  const parent = addClone(starting, monitor, 0, monitorPid);
  starting.call("close", [ready.writer]);
  starting.call("sigprocmask", [SIG_SETMASK, before, 0]);
  const settled = starting.runBlocking();
  settled.catch(() => {}); // reported by who waits for it, here or there

  const byte = arena.allocate(1);
  let said = 0;
  try {
    meanwhile();
  } finally {
    said = libcCall("read", ready.reader, byte, 1); // also then: see spawnWalking
  }
  if (said === 1) {
    return { pid: arena.int(childPid), monitor: arena.int(monitorPid), table: monitor, settled };
  }
  const own = joining?.failure() ?? (clone !== undefined && clone.errno !== 0 ? clone : undefined);
  const failed = parent.result < 0 ? parent : own ?? monitor.failure ?? parent;
  throw new SystemCallError(failed.name, failed.errno);
}
