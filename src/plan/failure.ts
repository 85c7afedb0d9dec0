/**
 * Errors of steps, in words: what failed, on what, why, and what to do.
 */
import {
  describeErrno,
  E2BIG,
  EACCES,
  EINVAL,
  ELOOP,
  ENODEV,
  ENOENT,
  ENOSPC,
  ENOTDIR,
  EOPNOTSUPP,
  EPERM,
  ERANGE,
  ESRCH,
  isNoSpace,
  SystemCallError,
} from "../../ffi/errno.ts";
import type { ExitStatus } from "../../ffi/process.ts";
import type { Call } from "../../ffi/table.ts";
import {
  CommandError,
  DhowError,
  EXIT_NOT_EXECUTABLE,
  EXIT_NOT_FOUND,
  type Explanation,
  HostError,
  ImageError,
  MissingTargetError,
} from "../errors.ts";
import type { ChildProgram } from "./child.ts";
import type { ChildStep, HostStep, JoinableKind } from "./step.ts";

const NO_SPACE_HINT = "free some space, or choose another place with --root DIR";

/** Why clone(2) makes no namespaces. */
const NAMESPACE_HINTS: Readonly<Record<number, string>> = {
  [EINVAL]: "the kernel lacks one of them, or does not allow it here",
  [ENOSPC]: "the host allows no more of them; see: sysctl user",
};

/** Why it has no clocks of its own. */
const TIME_HINTS: Readonly<Record<number, string>> = {
  [EINVAL]: "the kernel has no time namespaces: they came with Linux 5.6 (CONFIG_TIME_NS)",
  [ENOSPC]: "the host allows no more of them; see: sysctl user.max_time_namespaces",
  [ERANGE]:
    "a clock would be before its beginning, or too far ahead: choose other --monotonic and --boottime",
};

/** Wraps what a host step threw. Errors that are explained already pass through. */
export function explainHostFailure(step: HostStep, error: unknown): unknown {
  if (error instanceof DhowError || !(error instanceof Error)) return error;
  const why = error instanceof SystemCallError ? describeErrno(error.errno) : error.message;
  const explained = (what: string, hint?: string) =>
    new HostError({ what, why, cause: error, ...(hint === undefined ? {} : { hint }) });
  switch (step.do) {
    case "make-directory":
    case "write-file":
      return explained(`cannot make "${step.path}"`, isNoSpace(error) ? NO_SPACE_HINT : undefined);
    case "make-cgroups":
      return explained(
        "cannot make the container's cgroup",
        "see that /sys/fs/cgroup is mounted and writable",
      );
    case "start-child":
      return explained(
        `cannot make the container's namespaces (${step.namespaces.join(", ")})`,
        error instanceof SystemCallError ? NAMESPACE_HINTS[error.errno] : undefined,
      );
    case "attach-loops":
      return explained("cannot make loop devices of the image's index and layers", "try --storage unpacked");
    case "filter-devices":
      return explained(
        "cannot keep the container from the host's devices",
        "on cgroup v2 the kernel needs CONFIG_CGROUP_BPF, and dhow the right to load such a program",
      );
    case "map-ids":
      return explained("cannot map the user namespace's ids");
    default:
      return explained(`cannot ${step.why}`);
  }
}

/** Why a child that walked a table did not come to run its program. */
export function explainChildFailure(program: ChildProgram, status: ExitStatus): DhowError {
  const failed = program.failure;
  if (failed === undefined) {
    const how = "signal" in status ? `signal ${status.signal}` : `code ${status.code}`;
    return new HostError({
      what: "the container's first process ended before its program started",
      why: how,
    });
  }
  const step = program.stepOf(failed);
  if (step === undefined) {
    return new HostError({
      what: `cannot prepare the container (${failed.name})`,
      why: describeErrno(failed.errno),
    });
  }
  // an init gets the program's arguments as well, and may be told first that they are too long
  if (step.op === "execute" && failed.name === "execveat" && failed.errno === E2BIG) {
    return explainExecuteFailure(step, [failed]);
  }
  return explainStepFailure(step, failed);
}

/** Why execve(2) runs no program that is there. */
const EXECUTE_HINTS: Readonly<Record<number, string>> = {
  [E2BIG]: "its arguments and variables are longer than the kernel allows",
  [EACCES]: "is it a file with execute permission for the container's user?",
  [ELOOP]: "does its first line name itself?",
};

/** @param attempts to execute it, one for each place where it may lie */
export function explainExecuteFailure(
  step: Pick<Extract<ChildStep, { op: "execute" }>, "args" | "env">,
  attempts: readonly { readonly errno: number }[],
): DhowError {
  const name = step.args[0] ?? "";
  // Found in one place but not executable weighs more than not found in the others, as for execvp(3).
  const telling = attempts.find((attempt) => ![ENOENT, ENOTDIR].includes(attempt.errno));
  if (telling !== undefined) {
    const why = describeErrno(telling.errno);
    const hint = EXECUTE_HINTS[telling.errno] ?? "is it a program for this machine's CPU?";
    return new CommandError(
      { what: `cannot execute "${name}" in the container`, why, hint },
      EXIT_NOT_EXECUTABLE,
    );
  }
  const path = step.env.find((entry) => entry.startsWith("PATH="))?.slice("PATH=".length) ?? "";
  const why = name.includes("/")
    ? `no such file in the image, or the interpreter that it names is missing`
    : `not found in the image's PATH (${path})`;
  return new CommandError({ what: `cannot find the command "${name}"`, why }, EXIT_NOT_FOUND);
}

/**
 * Why a container cannot join a namespace of another, in docker's words.
 * @param why undefined when that one does not run
 */
export function cannotJoin(kind: JoinableKind, container: string, why?: string): DhowError {
  if (kind === "network" && why === undefined) {
    return new DhowError({ what: "cannot join network of a non running container", why: container });
  }
  const names = { network: "network", ipc: "IPC", pid: "PID" };
  return new DhowError({
    what: `can't join ${names[kind]} of container ${container}`,
    why: why ?? `container ${container} is not running`,
  });
}

function explainStepFailure(step: ChildStep, failed: Call): DhowError {
  const why = describeErrno(failed.errno);
  const explanation = (what: string, hint?: string): Explanation => ({
    what,
    why: `${why} in ${failed.name}`,
    ...(hint === undefined ? {} : { hint }),
  });
  const host = (what: string, hint?: string) => new HostError(explanation(what, hint));
  switch (step.op) {
    case "mount-overlay": {
      const hints: Record<number, string> = {
        [ENODEV]: "load the module with: modprobe overlay",
        [EPERM]: "the kernel does not allow overlay mounts here",
        [EINVAL]: "does the file system below it support overlay? see the last lines of: dmesg",
        [ENOSPC]: NO_SPACE_HINT,
      };
      return host(`cannot mount overlay on "${step.target}"`, hints[failed.errno]);
    }
    case "mount":
    case "make-directory":
    case "make-device":
    case "make-symlink":
    case "bind": {
      if (step.op === "make-device" && failed.name === "memcmp") {
        return new HostError({
          what: `cannot make the device "${step.inRoot}" in the container`,
          why: "there is something else, in the image or in what is mounted there",
          hint: "choose another path: --device DEVICE:PATH",
        });
      }
      if (step.op === "bind" && failed.name === "open_tree") {
        return host(`cannot mount ${JSON.stringify(step.source)}`);
      }
      if (failed.errno === ENOSPC) {
        return host(`cannot make "${step.inRoot}" in the container`, NO_SPACE_HINT);
      }
      const isImagesFault = [ELOOP, ENOTDIR].includes(failed.errno) ||
        (failed.name === "openat2" && failed.errno === ENOENT);
      if (isImagesFault) {
        const what = `cannot mount over "${step.inRoot}" of the image`;
        const leadsToNothing = "followsLinks" in step && step.followsLinks === true &&
          failed.errno === ENOENT;
        return new (leadsToNothing ? MissingTargetError : ImageError)({
          what,
          why: `it, or a folder above it, is a link or of the wrong type (${why})`,
        });
      }
      const hint = step.op === "mount" && failed.errno === ENODEV
        ? `the kernel does not know the file system ${step.type}`
        : undefined;
      return host(`cannot set up "${step.inRoot}" in the container`, hint);
    }
    case "join-cgroups":
      return host(
        `cannot ${step.why}`,
        failed.errno === EOPNOTSUPP
          ? "the cgroup above is threaded, and has threads only; choose another with --cgroup-parent"
          : undefined,
      );
    case "mask":
      return failed.name === "memcmp"
        ? new HostError({
          what: `cannot ${step.why}`,
          why: "/dev/null of the host is not the null device",
          hint: "make it anew: mknod -m 666 /dev/null c 1 3",
        })
        : host(`cannot ${step.why}`);
    case "pivot-root":
      return failed.name === "memcmp"
        ? new HostError({
          what: `cannot ${step.why}`,
          why: "something is mounted over the host's root directory",
          hint: "unmount it, or run dhow in a mount namespace without it",
        })
        : host(`cannot ${step.why}`);
    case "close-input":
      return failed.name === "memcmp"
        ? new HostError({
          what: "cannot give it an empty standard input",
          why: "what is mounted on its /dev has no null device as null",
          hint: "make one there: mknod -m 666 null c 1 3; or run it with -i",
        })
        : host(
          "cannot give it an empty standard input",
          "is there a /dev/null in what is mounted on its /dev?",
        );
    case "set-limits":
      return host(
        `cannot ${step.why}`,
        failed.errno === EPERM ? "only who has CAP_SYS_RESOURCE can raise a hard limit" : undefined,
      );
    case "adjust-oom-score":
      return host(`cannot ${step.why}`, "only who has CAP_SYS_RESOURCE can lower it");
    case "join-namespaces":
      return cannotJoin(step.kinds[0]!, step.container, failed.errno === ESRCH ? undefined : why);
    case "make-time-namespace":
      return host(`cannot ${step.why}`, TIME_HINTS[failed.errno]);
    case "execute":
      return host("cannot become the container's init");
    case "change-directory":
      return new ImageError(explanation(`cannot change to the working directory "${step.path}"`));
    case "drop-bounding-set":
    case "set-capabilities":
    case "forbid-new-privileges":
    case "load-filter":
      return host(
        "cannot limit what the container may do",
        step.op === "load-filter"
          ? "the kernel may have no seccomp; --security-opt seccomp=unconfined does without"
          : failed.errno === EPERM
          ? "its seccomp profile may refuse it"
          : undefined,
      );
    case "set-user":
      return host(
        `cannot become user ${step.uid}:${step.gid} in the container`,
        failed.name === "setgroups" && failed.errno === EINVAL
          ? "the image puts the user into more groups than the kernel allows"
          : failed.errno === EINVAL
          ? "the user namespace does not map these ids; leave out --userns or --user"
          : undefined,
      );
    default:
      return host(`cannot ${step.why}`);
  }
}
