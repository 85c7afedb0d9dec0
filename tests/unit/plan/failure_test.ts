import { assert, assertEquals, assertMatch, assertStrictEquals } from "@std/assert";
import {
  EACCES,
  EINVAL,
  ELOOP,
  ENODEV,
  ENOENT,
  ENOEXEC,
  ENOSPC,
  ENOTDIR,
  EOPNOTSUPP,
  EPERM,
  ERANGE,
} from "../../../ffi/errno.ts";
import { SystemCallError } from "../../../ffi/errno.ts";
import type { Call, CallTable } from "../../../ffi/table.ts";
import { CommandError, DhowError, HostError, ImageError, TakenError } from "../../../src/errors.ts";
import { explainChildFailure, explainExecuteFailure, explainHostFailure } from "../../../src/plan/failure.ts";
import type { ChildStep, HostStep } from "../../../src/plan/step.ts";
import { childStep, hostStep, samplePlan } from "../container/sample.ts";

const PLAN = samplePlan({ options: { userNamespace: true }, user: { uid: 7, gid: 8 } });
const STATUS = { code: 1 };

/** A walked table whose call `name` failed in a step. */
function failedIn(step: ChildStep | undefined, name: string, errno: number): DhowError {
  const failure = { name, errno } as Call;
  const table = { failure } as CallTable;
  return explainChildFailure({
    table,
    failure,
    stepOf: () => step,
    terminal: undefined,
    root: undefined,
  }, STATUS);
}

/** An execution whose attempts ended like that; 0 is one that was not made. */
function failedToExecute(args: readonly string[], env: readonly string[], ...errnos: number[]): DhowError {
  return explainExecuteFailure({ args, env }, errnos.map((errno) => ({ errno })));
}

Deno.test("a command that is nowhere in PATH has exit code 127, and the error names both", () => {
  const error = failedToExecute(["frobnicate"], ["PATH=/a:/b"], ENOENT, ENOTDIR);
  assert(error instanceof CommandError);
  assertEquals(error.exitCode, 127);
  assertMatch(error.message, /"frobnicate".*\/a:\/b/);
});

Deno.test("a command with a path that is not there has exit code 127, whether it or its interpreter is missing", () => {
  const error = failedToExecute(["/bin/none"], ["PATH=/a"], ENOENT);
  assertEquals(error.exitCode, 127);
  assertMatch(error.message, /"\/bin\/none".*interpreter/);
  assert(!error.message.includes("/a"), "PATH has nothing to do with it");
});

Deno.test("a command that may not be executed has exit code 126", () => {
  const error = failedToExecute(["/etc/passwd"], [], EACCES);
  assert(error instanceof CommandError);
  assertEquals(error.exitCode, 126);
  assertMatch(error.message, /"\/etc\/passwd".*EACCES.*permission/);
});

Deno.test("a file that is no program for this CPU has exit code 126", () => {
  const error = failedToExecute(["/a"], [], ENOEXEC);
  assertEquals(error.exitCode, 126);
  assertMatch(error.message, /ENOEXEC.*CPU/);
});

Deno.test("found in one place but not executable weighs more than not found in the others", () => {
  assertEquals(failedToExecute(["x"], ["PATH=/a:/b"], EACCES, ENOENT).exitCode, 126);
  assertEquals(failedToExecute(["x"], ["PATH=/a:/b"], ENOENT, EACCES).exitCode, 126);
  assertEquals(failedToExecute(["x"], ["PATH=/a:/b:/c"], ENOENT, ENOEXEC, 0).exitCode, 126);
});

Deno.test("every other failure has exit code 125", () => {
  for (
    const op of ["mount-overlay", "mount", "open-root", "set-user", "change-directory", "pivot-root"] as const
  ) {
    assertEquals(failedIn(childStep(PLAN, op), "some_call", EPERM).exitCode, 125, op);
  }
});

for (
  const [errno, hint] of [[ENODEV, /modprobe overlay/], [ENOSPC, /free some space/], [
    EINVAL,
    /dmesg/,
  ]] as const
) {
  Deno.test(`an overlay mount that fails with error ${errno} says what to do`, () => {
    const error = failedIn(childStep(PLAN, "mount-overlay"), "mount", errno);
    assert(error instanceof HostError);
    assertMatch(error.message, /^cannot mount overlay on "[^"]*\/merged"/);
    assertMatch(error.message, hint);
  });
}

Deno.test("a link or a file where the image should have a folder is the image's fault", () => {
  for (const errno of [ELOOP, ENOTDIR]) {
    const error = failedIn(childStep(PLAN, "mount"), "openat2", errno);
    assert(error instanceof ImageError, error.message);
    assertMatch(error.message, /"\/proc" of the image/);
  }
  assert(failedIn(childStep(PLAN, "bind"), "openat2", ENOENT) instanceof ImageError);
});

Deno.test("what the kernel lacks, and no space left, are not the image's fault", () => {
  const unknown = failedIn(childStep(PLAN, "mount"), "fsopen", ENODEV);
  assert(unknown instanceof HostError);
  assertMatch(unknown.message, /kernel does not know the file system proc/);
  const full = failedIn(childStep(PLAN, "bind"), "openat2", ENOSPC);
  assert(full instanceof HostError);
  assertMatch(full.message, /free some space/);
});

Deno.test("a working directory that cannot be entered is named", () => {
  const error = failedIn({ op: "change-directory", why: "", path: "/etc/passwd/x" }, "chdir", ENOTDIR);
  assert(error instanceof ImageError);
  assertMatch(error.message, /"\/etc\/passwd\/x".*ENOTDIR/);
});

Deno.test("a user that the user namespace does not map is told what to leave out", () => {
  assertMatch(failedIn(childStep(PLAN, "set-user"), "setresuid", EINVAL).message, /7:8.*--userns or --user/);
  assert(!failedIn(childStep(PLAN, "set-user"), "setresuid", EPERM).message.includes("--userns"));
});

Deno.test("a step without words of its own is explained by why it is done, the call and the error", () => {
  const error = failedIn(childStep(PLAN, "set-hostname"), "sethostname", EPERM);
  assertEquals(
    error.message,
    "cannot set its host name: operation not permitted (EPERM) in sethostname",
  );
});

Deno.test("a failure before the first step names the call", () => {
  assertMatch(failedIn(undefined, "umask", EPERM).message, /umask.*EPERM/);
});

Deno.test("a first process that ended without an error of its own is told by how it ended", () => {
  const program = {
    table: {} as unknown as CallTable,
    failure: undefined,
    stepOf: () => undefined,
    terminal: undefined,
    root: undefined,
  };
  assertMatch(explainChildFailure(program, { signal: 9 }).message, /signal 9/);
  assertMatch(explainChildFailure(program, { code: 3 }).message, /code 3/);
});

const explained = (step: HostStep, error: unknown) => {
  const result = explainHostFailure(step, error);
  assert(result instanceof HostError);
  assertStrictEquals(result.cause, error);
  return result.message;
};

Deno.test("a folder or file that cannot be made is named, and no space left has a hint", () => {
  const step = hostStep(PLAN, "make-directory");
  const full = Object.assign(new Error("No space left on device"), { code: "ENOSPC" });
  assertMatch(explained(step, full), /".*No space left.*--root/);
  assert(!explained(step, new Error("Permission denied")).includes("--root"));
  assertMatch(explained(hostStep(PLAN, "write-file"), new Error("x")), /hosts"/);
});

Deno.test("namespaces that the kernel refuses are listed", () => {
  const message = explained(hostStep(PLAN, "start-child"), new SystemCallError("clone", EINVAL));
  assertMatch(message, /mount, uts, ipc, pid, network, user.*EINVAL.*kernel/);
});

Deno.test("cgroups, id mappings and other steps are explained too", () => {
  assertMatch(explained(hostStep(PLAN, "make-cgroups"), new Error("x")), /cgroup.*\/sys\/fs\/cgroup/);
  assertMatch(explained(hostStep(PLAN, "map-ids"), new Error("x")), /user namespace/);
  assertMatch(explained(hostStep(PLAN, "release-child"), new Error("x")), /^cannot let it go on: x/);
});

Deno.test("an error that is explained already is not explained again", () => {
  const error = new TakenError({ what: "cannot use the name" });
  assertStrictEquals(explainHostFailure(hostStep(PLAN, "make-directory"), error), error);
});

Deno.test("a host whose /dev/null is not the null device is told so, with what to do", () => {
  const error = failedIn(childStep(samplePlan(), "mask"), "memcmp", 0);
  assertMatch(error.message, /null device/);
});

Deno.test("a kernel without time namespaces, and offsets that it does not take, are told apart", () => {
  const step: ChildStep = {
    op: "make-time-namespace",
    why: "make clocks of its own",
    monotonic: 1,
    boottime: 2,
  };
  assertMatch(failedIn(step, "unshare", EINVAL).message, /cannot make clocks of its own: .*Linux 5\.6/);
  assertMatch(failedIn(step, "write", ERANGE).message, /choose other --monotonic and --boottime/);
});

Deno.test("a device is not made over something else", () => {
  const step: ChildStep = {
    op: "make-device",
    why: "give it /opt/x",
    inRoot: "/opt/x",
    type: "c",
    major: 1,
    minor: 3,
    mode: 0o600,
    followsLinks: true,
  };
  assertMatch(failedIn(step, "memcmp", 0).message, /cannot make the device "\/opt\/x".*something else/);
});

Deno.test("a cgroup that takes no processes is told from others", () => {
  const step = childStep(PLAN, "join-cgroups");
  assertMatch(failedIn(step, "write", EOPNOTSUPP).message, /threaded.*--cgroup-parent/);
  assert(!failedIn(step, "write", EACCES).message.includes("threaded"));
});
