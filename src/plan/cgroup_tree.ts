/**
 * A container's cgroup and those that it has made in it itself. These may lie deeper than a path can lead, so each is found from the
 * one above it.
 */
import {
  AT_FDCWD,
  AT_REMOVEDIR,
  O_CLOEXEC,
  O_DIRECTORY,
  O_NOFOLLOW,
  O_RDONLY,
  SIGNALS,
} from "../../ffi/constants.ts";
import { EBUSY, EINVAL, ENODEV, ENOENT, EOPNOTSUPP, errnoOf, ESRCH } from "../../ffi/errno.ts";
import { libcCall, tryLibcCall } from "../../ffi/table.ts";
import { entriesIn, readIfThere } from "../state/read.ts";

/** A cgroup while it is looked at. */
interface Opened {
  readonly fd: number;
  readonly name: string;
  /** Of those in it that were not looked at yet. */
  readonly names: string[];
}

const inProc = (fd: number) => `/proc/self/fd/${fd}`;

function open(folder: number, name: string): number {
  return tryLibcCall([ENOENT], "openat", folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

const foldersIn = (fd: number) =>
  entriesIn(inProc(fd)).filter(({ isDirectory }) => isDirectory).map(({ name }) => name);

/**
 * Looks at a cgroup and all below it, the inner ones first; what comes or goes meanwhile may be missed.
 * @param visit is given a path that leads to the cgroup as long as it is looked at
 * @param removes whether each one below the first is removed afterwards, if it is empty
 */
export function eachCgroup(path: string, visit: (path: string) => void, removes = false): void {
  const top = open(AT_FDCWD, path);
  if (top < 0) return;
  let here: Opened = { fd: top, name: "", names: foldersIn(top) };
  const above: Omit<Opened, "fd">[] = [];
  try {
    while (true) {
      const name = here.names.pop();
      if (name !== undefined) {
        const inner = open(here.fd, name);
        if (inner < 0) continue;
        const { fd, ...rest } = here;
        above.push(rest); // few descriptors at once
        here = { fd: inner, name, names: foldersIn(inner) };
        libcCall("close", fd);
        continue;
      }
      visit(inProc(here.fd));
      const outer = above.pop();
      if (outer === undefined) return;
      const fd = open(here.fd, "..");
      if (fd < 0) return; // it has gone, and with it the way back
      libcCall("close", here.fd);
      if (removes) tryLibcCall([ENOENT, EBUSY], "unlinkat", fd, here.name, AT_REMOVEDIR);
      here = { ...outer, fd };
    }
  } finally {
    libcCall("close", here.fd);
  }
}

/** The pids of those in a cgroup. */
export function pidsIn(path: string): number[] {
  try {
    // 0 is one that is not to be seen from here
    return (readIfThere(`${path}/cgroup.procs`) ?? "").split("\n").map(Number).filter((pid) => pid > 0);
  } catch (error) {
    // it was removed meanwhile; or it is threaded, and its processes are named by a cgroup above it (cgroup-v2.rst)
    if ([ENODEV, EOPNOTSUPP].includes(errnoOf(error) ?? 0)) return [];
    throw error;
  }
}

/** Kills those in a cgroup, and below it. */
export function killAllIn(cgroup: string): void {
  eachCgroup(cgroup, (path) => {
    for (const pid of pidsIn(path).filter((pid) => pid !== 1)) {
      const pidfd = tryLibcCall([ESRCH, EINVAL], "pidfd_open", pid, 0);
      if (pidfd < 0) continue;
      // still there: so the descriptor means a process of the container, not another one with its pid
      if (pidsIn(path).includes(pid)) {
        tryLibcCall([ESRCH], "pidfd_send_signal", pidfd, SIGNALS.SIGKILL, 0, 0);
      }
      libcCall("close", pidfd);
    }
  });
}
