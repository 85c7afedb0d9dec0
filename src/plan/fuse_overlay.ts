/**
 * Mounts that fuse-overlayfs(1) serves. dhow makes such a mount itself, nowhere at first, and gives the program the descriptor by which
 * it is served (mount.fuse3(8): a mount point `/dev/fd/N`). So the mount is in the container's mount namespace only, and goes with that;
 * and the program, which gets nothing to do any more then, ends. It does so as well when dhow is killed before the mount is anywhere.
 */
import { dirname, relative } from "@std/path";
import {
  AT_FDCWD,
  F_DUPFD,
  O_APPEND,
  O_CLOEXEC,
  O_CREAT,
  O_DIRECTORY,
  O_NOFOLLOW,
  O_RDONLY,
  O_RDWR,
  O_WRONLY,
  SIG_SETMASK,
  SIGNALS,
} from "../../ffi/constants.ts";
import { Arena } from "../../ffi/arena.ts";
import { describeErrno, EPERM, SystemCallError } from "../../ffi/errno.ts";
import { cloneWalking, STACK_SIZE, waitForExit } from "../../ffi/process.ts";
import { CallTable, libcCall } from "../../ffi/table.ts";
import { HostError } from "../errors.ts";
import { ProcessHandle } from "../state/process_end.ts";
import { identify, type ProcessIdentity } from "../state/process_identity.ts";
import { makeFileSystem } from "./held_trees.ts";
import { FUSE_DEVICE, type FuseOverlay } from "./step.ts";

/** What the program says, in the folder that the mount is given. */
const LOG = "fuse-overlayfs.log";

/** The descriptor that it serves the mount by. */
const SERVED = 3;
const LAST_FD = 0xffffffff;

/** How long it is waited for when its mount should be gone, in milliseconds; somebody may still look into that. */
const ENDS_WITHIN_MS = 5000;

/** A mount that is nowhere yet. */
export interface ServedMount {
  /** A descriptor of it, which the caller closes. */
  readonly fd: number;
  /** What serves it: a child of this process. */
  readonly process: ProcessIdentity;
}

/**
 * @param record told of the program's process
 * @throws {HostError} when it does not start
 */
export async function mountFuseOverlay(
  overlay: FuseOverlay,
  record: (started: ProcessIdentity) => void = () => {},
): Promise<ServedMount> {
  const { fd, device } = makeMount(overlay);
  const process = serve(overlay, device);
  try {
    record(process);
    await assertServed(overlay, fd);
    return { fd, process };
  } catch (error) {
    libcCall("close", fd);
    await endServer(process);
    throw error;
  }
}

/** Waits for the end of a program whose mount is gone, and sees to it. It may be a child of another process. */
export async function endFuseOverlay(process: ProcessIdentity): Promise<void> {
  using handle = ProcessHandle.open(process);
  if (handle === undefined || await handle.ended(ENDS_WITHIN_MS)) return;
  handle.signal(SIGNALS.SIGKILL);
  await handle.ended();
}

/** The same for a child of this process, which reaps it. */
export async function endServer(process: ProcessIdentity): Promise<void> {
  await endFuseOverlay(process);
  await waitForExit(process.pid);
}

/** fuse(8): modes are the kernel's to check, for all users of the container. */
function makeMount({ upper }: FuseOverlay): { fd: number; device: number } {
  const what = "cannot mount the container's files by FUSE";
  let device: number | undefined;
  try {
    device = libcCall("openat", AT_FDCWD, FUSE_DEVICE, O_RDWR | O_CLOEXEC);
    const settings = [
      ["source", upper ?? "fuse-overlayfs"],
      ["subtype", "fuse-overlayfs"],
      ["fd", String(device)],
      ["rootmode", "40000"],
      ["user_id", "0"],
      ["group_id", "0"],
      ["default_permissions", ""],
      ["allow_other", ""],
    ] as const;
    return { fd: makeFileSystem("fuse", 0, settings), device };
  } catch (error) {
    if (device !== undefined) libcCall("close", device);
    if (!(error instanceof SystemCallError)) throw error;
    throw new HostError({
      what,
      why: `${error.call}: ${describeErrno(error.errno)}`,
      hint: error.errno === EPERM
        ? "a security module forbids it, or the kernel is older than Linux 4.18"
        : "see: dhow doctor",
      cause: error,
    });
  }
}

/** Starts the program. `device` is closed here: what is served ends when the program does. */
function serve(overlay: FuseOverlay, device: number): ProcessIdentity {
  const argv = argumentsOf(overlay);
  const arena = new Arena(STACK_SIZE + 64 * 1024 + 8 * argv.join().length);
  const opened = [device];
  try {
    const flags = O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC;
    const log = libcCall("openat", AT_FDCWD, `${overlay.folder}/${LOG}`, flags, 0o600);
    opened.push(log);
    const table = new CallTable(arena, 24);
    table.call("setsid", []);
    table.call("sigprocmask", [SIG_SETMASK, arena.allocate(128), 0]);
    const [served, output] = [device, log].map((fd) => table.call("fcntl", [fd, F_DUPFD, SERVED + 1]));
    const nothing = table.call("openat", [AT_FDCWD, "/dev/null", O_RDWR]);
    table.call("dup3", [nothing, 0, 0]);
    for (const fd of [1, 2]) table.call("dup3", [output!, fd, 0]);
    table.call("dup3", [served!, SERVED, 0]);
    table.call("close_range", [SERVED + 1, LAST_FD, 0]);
    table.call("chdir", [baseOf(overlay)]);
    table.call("execve", [overlay.path, arena.strings(argv), arena.strings([])]);
    return identify(cloneWalking(table, 0));
  } finally {
    for (const fd of opened) libcCall("close", fd);
    arena.release(); // the child has its own mapping of it
  }
}

/** Paths are relative to that, so that few are long, and no colon is in them. */
const baseOf = ({ lower }: FuseOverlay) => dirname(lower.at(-1) ?? "/");

/** fuse-overlayfs(1). Nothing is written later than a program in the container is told: what reads its layer beside it finds all. */
export function argumentsOf(overlay: FuseOverlay): string[] {
  const { path, lower, upper, work, isVolatile } = overlay;
  const base = baseOf(overlay);
  // of libfuse's options (fuse_opt.h)
  const name = (folder: string) => relative(base, folder).replace(/[\\,]/g, "\\$&");
  const options = [
    `lowerdir=${lower.map(name).join(":")}`,
    ...(upper === undefined ? [] : [`upperdir=${name(upper)}`, `workdir=${name(work)}`]),
    "writeback=0",
    ...(isVolatile ? ["volatile"] : []),
  ];
  return [path, "-f", "-o", options.join(","), `/dev/fd/${SERVED}`];
}

/** Looks into the mount, which answers when the program does, or says that it has ended. */
async function assertServed({ path, folder }: FuseOverlay, mount: number): Promise<void> {
  const arena = new Arena(4096);
  try {
    const table = new CallTable(arena, 2);
    const root = table.call("openat", [mount, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC]);
    table.call("close", [root]);
    await table.runBlocking();
  } catch (error) {
    if (!(error instanceof SystemCallError)) throw error;
    const lines = Deno.readTextFileSync(`${folder}/${LOG}`).split("\n").map((line) => line.trim());
    const said = lines.filter((line) => line !== "" && !line.startsWith("unknown argument ignored"));
    throw new HostError({
      what: "cannot lay a writable layer over the image's layers",
      why: said.slice(-3).join("; ") || `${path} does not run: ${describeErrno(error.errno)}`,
      hint: "see: dhow doctor",
      cause: error,
    });
  } finally {
    arena.release();
  }
}
