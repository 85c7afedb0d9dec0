import { assert, assertEquals } from "@std/assert";
import {
  CLONE_NEWIPC,
  CLONE_NEWNET,
  F_DUPFD_CLOEXEC,
  MNT_DETACH,
  MOUNT_ATTR_NODEV,
  MOUNT_ATTR_NOSUID,
  MOUNT_ATTR_RDONLY,
  MS_PRIVATE,
  MS_REC,
  O_CLOEXEC,
  O_CREAT,
  O_EXCL,
  O_PATH,
  PR_SET_PDEATHSIG,
  RESOLVE_BENEATH,
  RESOLVE_IN_ROOT,
  RESOLVE_NO_MAGICLINKS,
  RESOLVE_NO_SYMLINKS,
  RESOLVE_NO_XDEV,
} from "../../../ffi/constants.ts";
import { EBADF, EEXIST, ENOENT } from "../../../ffi/errno.ts";
import { Call } from "../../../ffi/table.ts";
import { childSteps, CHOICES, samplePlan } from "../container/sample.ts";
import { MEETING, named, orderOf, record, type RecordedCall, type Recording } from "./recorded.ts";

const recordings = CHOICES.map(({ what, ...choice }) => ({
  what,
  ...record(childSteps(samplePlan(choice))),
}));
const usual = recordings[0] as Recording;

const indexOf = ({ calls }: Recording, matches: (call: RecordedCall) => boolean) => {
  const index = calls.findIndex(matches);
  assert(index >= 0, "there is no such call");
  return index;
};
const pivotOf = (recording: Recording) => indexOf(recording, ({ name }) => name === "pivot_root");
const rootOf = (recording: Recording) =>
  recording.calls[
    indexOf(recording, ({ name, args }) => name === "openat" && /(^|\/)merged$/.test(String(args[1])))
  ]
    ?.call;

const STAGE = MEETING.held.descriptor("stage");
/** What dhow has opened itself. */
const HELD = [MEETING.partners.sharedMemory(), MEETING.held.descriptor("")];
/** The stage is mounted over the root directory, and what overlay takes in it. */
const isOnStage = ({ name, args }: RecordedCall) =>
  name === "move_mount" && ((args[0] === STAGE && args[3] === "/") || args[2] === STAGE);

for (const recording of recordings) {
  const { what } = recording;

  Deno.test(`what is in the image is opened below its root only, for a container ${what}`, () => {
    const root = rootOf(recording);
    const opened = named(recording, "openat2");
    assert(opened.length > 0);
    const proc = opened.find(({ args }) => args[1] === "proc" && args[0] === root)?.call;
    for (const { args } of opened) {
      const [, , resolve = 0] = recording.words(args[2], 3);
      const isMade = recording.calls.some(({ name, args: [folder, entry] }) =>
        name === "mknodat" && folder === args[0] && entry === args[1]
      );
      if (isMade && args[0] !== root) {
        assert(
          opened.some(({ call }) => call === args[0]),
          "a device is opened below what was opened before",
        );
        assertEquals(resolve, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS, String(args[1]));
        continue;
      }
      if (args[0] !== root) {
        assert(args[0] instanceof Call && String(args[1]).startsWith("sys/"), String(args[1]));
        assert(proc !== undefined);
        assertEquals(resolve, RESOLVE_BENEATH | RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS, String(args[1]));
        continue;
      }
      assert(args[0] === root, "not below the descriptor of the container's root");
      assertEquals(resolve & RESOLVE_IN_ROOT, RESOLVE_IN_ROOT, String(args[1]));
      // the way to what the user has named may be links, in the root
      const links =
        /^(opt(\/.*)?|\.)$/.test(String(args[1])) && resolve === (RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS)
          ? RESOLVE_NO_MAGICLINKS
          : RESOLVE_NO_SYMLINKS;
      assertEquals(resolve & links, links, String(args[1]));
    }
  });

  Deno.test(`before the host's root is gone, no path of the image is resolved by itself, for a container ${what}`, () => {
    const before = recording.calls.slice(0, pivotOf(recording));
    const hasStage = before.some(isOnStage);
    for (const { name, args } of before) {
      // of these, only files of the host, made by dhow or by the kernel
      if (name === "openat" || name === "open_tree") {
        const path = args[1];
        const isOwn = typeof path === "string" &&
          (/^\/(run\/dhow|sys\/fs\/cgroup|cg|dev|sys|proc\/self\/(oom_score_adj|timens_offsets|ns\/time_for_children))(\/|$)/
            .test(path) || (hasStage && path === "merged")); // in the stage, which is the current folder
        assert(isOwn || args[0] instanceof Call, `${name} ${path}`);
      }
      if (["mkdirat", "mknodat", "symlinkat"].includes(name)) {
        const [folder, entry] = name === "symlinkat" ? [args[1], args[2]] : [args[0], args[1]];
        assert(folder instanceof Call, `${name} ${entry} is not below a descriptor`);
        assert(typeof entry === "string" && !entry.includes("/"), `${name} ${entry} is more than a name`);
      }
      assert(!["unlinkat", "renameat", "linkat", "fchmodat"].includes(name), name);
      if (name === "fchownat") {
        assert(args[0] instanceof Call && args[1] === "", "what is not open is given away");
      }
    }
    const moved = before.filter((call) => call.name === "move_mount" && !isOnStage(call));
    for (const { args } of moved) {
      assert(
        (args[0] instanceof Call || HELD.includes(args[0] as number)) && args[2] instanceof Call &&
          args[1] === "" && args[3] === "",
      );
    }
  });

  Deno.test(`for what is to be hidden, but is not there, no mount is made, for a container ${what}`, () => {
    const maybeMissing = named(recording, "openat2").filter(({ options }) =>
      options.tolerate?.includes(ENOENT) === true
    );
    const covers = recording.calls.filter(({ name, args, options }) =>
      name === "move_mount" && options.tolerate?.includes(EBADF) === true &&
      maybeMissing.some(({ call }) => call === args[2])
    );
    assertEquals(covers.length, maybeMissing.length);
    for (const { args: [mount, , target] } of covers) {
      const made = recording.calls.find(({ call }) => call === mount)!;
      assert(["fsmount", "open_tree"].includes(made.name));
      const duplicate = recording.calls.find(({ call }) => call === made.args[0])!;
      // of the target itself, or of what there is only if the target is
      assert(
        duplicate.call === target ||
          (duplicate.name === "fcntl" && duplicate.args[1] === F_DUPFD_CLOEXEC &&
            duplicate.args[2] === target),
        `${made.name} of ${duplicate.name}`,
      );
    }
  });

  Deno.test(`a file of the image is made without opening what lies there, for a container ${what}`, () => {
    for (const { args, options } of named(recording, "openat2")) {
      const [flags = 0, mode = 0] = recording.words(args[2], 2);
      assertEquals(flags & O_CLOEXEC, O_CLOEXEC, "a program would inherit it");
      if ((flags & O_CREAT) === 0) {
        assertEquals(mode, 0, "openat2 refuses a mode without O_CREAT");
      } else {
        assertEquals(flags & O_EXCL, O_EXCL, String(args[1]));
        assertEquals(options.tolerate, [EEXIST]);
      }
    }
  });

  Deno.test(`privileges go last and in the one order that works, for a container ${what}`, () => {
    const order = [
      "pivot_root",
      "umount2",
      "close_range",
      "seccomp",
      "setgroups",
      "setresgid",
      "setresuid",
      "capset",
      "execveat",
    ];
    // with ids of its own it has become the root of its namespace before: nobody on the host
    const late = { ...recording, calls: recording.calls.slice(pivotOf(recording)) };
    assertEquals([...new Set(orderOf(late, ...order))], order);
  });

  Deno.test(`whatever ends dhow ends a container ${what}, also after its user has changed`, () => {
    const deathSignals = recording.calls.flatMap(({ name, args }, index) =>
      name === "prctl" && args[0] === PR_SET_PDEATHSIG && args[1] === 9 ? [index] : []
    );
    const setresuid = indexOf(recording, ({ name }) => name === "setresuid");
    assert(deathSignals.some((index) => index < pivotOf(recording)));
    assert(deathSignals.some((index) => index > setresuid));
  });

  Deno.test(`no descriptor of dhow's reaches the program of a container ${what}`, () => {
    const closing = indexOf(recording, ({ name }) => name === "close_range");
    // but those of the program in memory, which closes them
    assertEquals(recording.calls[closing]?.args, [5, 0xffffffff, 0]);
    for (const { name } of recording.calls.slice(closing)) {
      assert(!["openat", "openat2", "open_tree", "socket", "dup3", "fsopen"].includes(name), name);
    }
  });

  Deno.test(`the old root is detached from inside the new one, for a container ${what}`, () => {
    const at = pivotOf(recording);
    const detach = ["umount2", ".", MNT_DETACH];
    const detaching = recording.calls.some(isOnStage) ? [detach, detach] : [detach];
    const calls = recording.calls.slice(at - 1, at + 3 + detaching.length);
    assertEquals(calls.slice(0, -1).map(({ name, args }) => [name, ...args]), [
      ["fchdir", rootOf(recording) as Call],
      ["pivot_root", ".", "."],
      ...detaching,
      ["chdir", "/"],
    ]);
    // nothing lies over the new one: ".." of it leads to itself
    const [root, above] = recording.calls.slice(at).filter(({ name }) => name === "statx");
    assertEquals([root?.args[0], above?.args[1]], [rootOf(recording) as Call, "/.."]);
    assertEquals(recording.calls.slice(at).filter(({ name }) => name === "memcmp").length, 2);
  });

  Deno.test(`the host's mount table is out of reach before anything is mounted, for a container ${what}`, () => {
    const mounts = recording.calls.filter(({ name }) =>
      ["mount", "move_mount", "fsmount", "open_tree"].includes(name)
    );
    assertEquals(mounts[0]?.name, "mount");
    assertEquals(mounts[0]?.args, [0, "/", 0, MS_REC | MS_PRIVATE, 0]);
  });
}

Deno.test("the child lets go of its parent's ends before anything else, and so notices when it dies", () => {
  const closed = usual.calls.slice(0, 2).map(({ name, args }) => [name, ...args]);
  assertEquals(closed, [["close", MEETING.ready.reader], ["close", MEETING.go.writer]]);
  const waiting = named(usual, "read").filter(({ args }) => args[0] === MEETING.go.reader);
  assertEquals(waiting.length, 1);
  assertEquals(waiting[0]?.options.least, 1, "the end of the pipe must end the child");
});

Deno.test("attributes of a mount reach the kernel before the mount is seen anywhere", () => {
  const recording = record([
    { op: "open-root", why: "", path: "/run/dhow/x/merged" },
    {
      op: "bind",
      why: "",
      source: "/sys",
      inRoot: "/sys",
      kind: "directory",
      replacesLink: false,
      recursive: true,
      attributes: ["ro", "nosuid", "nodev"],
    },
  ]);
  assertEquals(orderOf(recording, "open_tree", "mount_setattr", "move_mount"), [
    "open_tree",
    "mount_setattr",
    "move_mount",
  ]);
  const set = named(recording, "mount_setattr")[0];
  assertEquals(recording.words(set?.args[3], 4), [
    MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV,
    0,
    0,
    0,
  ]);
});

Deno.test("a mount's target is opened without opening what is there", () => {
  for (const { args } of named(usual, "move_mount")) {
    const target = usual.calls.find(({ call }) => call === args[2]);
    const [flags = 0] = usual.words(target?.args[2], 1);
    assertEquals(flags & O_PATH, O_PATH);
  }
});

Deno.test("the terminal is found by its descriptor, and its master is what the parent is told of", () => {
  const withTerminal = recordings.find(({ what }) => what === "with a terminal");
  assert(withTerminal !== undefined);
  const { terminal } = withTerminal.program;
  const opening = withTerminal.calls.find(({ call }) => call === terminal);
  assertEquals([opening?.name, opening?.args[1]], ["openat2", "dev/pts/ptmx"]);
  assertEquals(usual.program.terminal, undefined);
});

Deno.test("namespaces of another container are joined before anything is made, through its first process", () => {
  const joining = recordings.find(({ what }) => what === "joining another's namespaces")!;
  const first = indexOf(joining, ({ name }) => name === "setns");
  assertEquals(joining.calls[first]?.args, [108, CLONE_NEWNET | CLONE_NEWIPC]);
  const isMade = ({ name }: RecordedCall) => ["mount", "fsopen", "open_tree", "socket"].includes(name);
  assert(first < indexOf(joining, isMade));
  // its shared memory is what dhow has opened, and no path
  assert(named(joining, "move_mount").some(({ args }) => args[0] === 109));
  assertEquals(orderOf(joining, "sethostname"), ["sethostname"]);
});

Deno.test("what hides a file is compared with the null device first, and only a path that is missing may fail to be hidden", () => {
  for (const recording of recordings) {
    const names = orderOf(recording, "memcmp", "statx", "pivot_root");
    const beforePivot = names.slice(0, names.indexOf("pivot_root"));
    const look = ["statx", "memcmp", "memcmp", "memcmp", "memcmp"];
    // devices that were asked for are looked at in the same way; in a user namespace also the one for standard input, the host's
    const devices = named(recording, "mknodat");
    const looks = devices.some(({ args, options }) => args[1] === "null" && options.tolerate === undefined)
      ? 1 + devices.filter(({ options }) => options.tolerate).length
      : beforePivot.length / look.length;
    assertEquals(beforePivot, Array.from({ length: looks }, () => look).flat(), recording.what);
    const attached = recording.calls.filter(({ name, options }) => name === "move_mount" && options.tolerate);
    assert(attached.length >= 4, recording.what);
    for (const { args, options } of attached) {
      assertEquals(options.tolerate, [EBADF]);
      const target = recording.calls.find(({ call }) => call === args[2]);
      assertEquals([target?.name, target?.options.tolerate], ["openat2", [ENOENT]], recording.what);
    }
  }
});
