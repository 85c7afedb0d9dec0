/** An ordinary user of a test's host, with a home, and a dhow of the user's own. */
import { assertEquals } from "@std/assert";
import { pathExists } from "../../ffi/files.ts";
import { assertSuccess } from "./containers.ts";
import { DHOW, type Host, type HostRunOptions, type RunningInHost } from "./host.ts";
import { busyboxArchive } from "./images.ts";
import type { Output, RunOptions } from "./process.ts";
import { skip, systemTest } from "./system_test.ts";

/** `single`: there are no ids for the user's containers but the user's own. */
export type Ids = "single" | "ranges";

export const UID = 1234;
const FIRST_SUBID = 300_000;
const PLACE = "/run/host/sailor";

const ENVIRONMENT = [
  "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
  `HOME=${PLACE}/home`,
  `XDG_RUNTIME_DIR=${PLACE}/run`,
  "LOGNAME=sailor",
  "TERM=xterm",
];

/** The user's home lies where dhow's files can: overlay takes no overlay as its upper layer. */
const SETUP = `
  echo "sailor:x:${UID}:${UID}::${PLACE}/home:/bin/sh" >>/etc/passwd
  echo "sailor:x:${UID}:" >>/etc/group
  mkdir -p ${PLACE}/home ${PLACE}/run
  cp "$0" ${PLACE}/dhow
  cp "$1" ${PLACE}/home/busybox.tar
  chown -R ${UID}:${UID} ${PLACE}/home ${PLACE}/run
  chmod 755 ${PLACE} ${PLACE}/dhow
  chmod 700 ${PLACE}/run
  # here it may be root's alone
  mkdir -p /dev/net
  mount -t tmpfs -o mode=755 tmpfs /dev/net
  mknod -m 666 /dev/net/tun c 10 200
  if [ -e /dev/fuse ]; then
    mknod -m 666 ${PLACE}/fuse c 10 229
    mount --bind ${PLACE}/fuse /dev/fuse
  fi
  : >/etc/subuid
  : >/etc/subgid
`;

/**
 * Has the kernel refuse what mount(2) is given data for, and no flags, which of dhow's mounts only overlay is, and none of pasta's
 * (seccomp(2)), as one does that is older than Linux 5.11; and character devices, if that is asked for. Loaded by root: a user who does it could not become anybody by newuidmap
 * afterwards.
 */
const REFUSE_OVERLAY = `
import ctypes, os, struct, sys
SECCOMP_SET_MODE_FILTER, SECCOMP_RET_ALLOW, SECCOMP_RET_ERRNO, EPERM = 1, 0x7fff0000, 0x50000, 1
LOAD, AND, EQUAL, RETURN = 0x20, 0x54, 0x15, 0x06
S_IFMT, S_IFCHR = 0o170000, 0o020000
seccomp, mount, mknodat = {"x86_64": (317, 165, 259), "aarch64": (277, 40, 33)}[os.uname().machine]
argument = lambda index: 16 + 8 * index  # of struct seccomp_data
refused = (RETURN, 0, 0, SECCOMP_RET_ERRNO | EPERM)
program = [
  (LOAD, 0, 0, 0), (EQUAL, 0, 7, mount), (LOAD, 0, 0, argument(3)), (EQUAL, 0, 5, 0),
  (LOAD, 0, 0, argument(4)), (EQUAL, 0, 2, 0), (LOAD, 0, 0, argument(4) + 4), (EQUAL, 1, 0, 0), refused,
]
if sys.argv[1] == "devices":
  program += [(LOAD, 0, 0, 0), (EQUAL, 0, 4, mknodat), (LOAD, 0, 0, argument(2)), (AND, 0, 0, S_IFMT), (EQUAL, 0, 1, S_IFCHR), refused]
program.append((RETURN, 0, 0, SECCOMP_RET_ALLOW))
code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *each) for each in program))
filter = struct.pack("HxxxxxxQ", len(program), ctypes.addressof(code))
libc = ctypes.CDLL(None, use_errno=True)
assert libc.syscall(seccomp, SECCOMP_SET_MODE_FILTER, 0, filter) == 0, os.strerror(ctypes.get_errno())
os.execvp(sys.argv[2], sys.argv[2:])
`;

/** Whether the kernel mounts overlay for the user. */
export type Kernel = "usual" | "refuses overlay" | "refuses overlay and devices";

export class Sailor {
  readonly dhowPath = `${PLACE}/dhow`;
  readonly home = `${PLACE}/home`;
  readonly state = `${PLACE}/home/.local/share/dhow`;

  constructor(readonly host: Host, readonly kernel: Kernel = "usual") {}

  static async settle(host: Host, ids: Ids): Promise<void> {
    await host.succeed(["sh", "-euc", SETUP, DHOW, await busyboxArchive()]);
    if (ids === "ranges") {
      await host.shell(`for file in subuid subgid; do echo sailor:${FIRST_SUBID}:65536 >/etc/$file; done`);
    }
  }

  /** The command that runs a command as the user. @param environment `NAME=VALUE` */
  become(argv: readonly string[], environment: readonly string[] = []): string[] {
    const kernel = this.kernel === "usual"
      ? []
      : ["python3", "-c", REFUSE_OVERLAY, this.kernel.slice("refuses overlay and ".length)];
    const user = [
      ...kernel,
      "setpriv",
      "--reuid",
      `${UID}`,
      "--regid",
      `${UID}`,
      "--init-groups",
      "--inh-caps=-all",
    ];
    return [...user, "env", "-i", `--chdir=${this.home}`, ...ENVIRONMENT, ...environment, ...argv];
  }

  run(argv: readonly string[], options?: HostRunOptions): Promise<Output> {
    return this.host.run(this.become(argv), options);
  }

  dhowOutput(args: readonly string[], options?: HostRunOptions): Promise<Output> {
    return this.run([this.dhowPath, ...args], options);
  }

  /** Runs dhow, which must succeed and have nothing to say on standard error. @returns what it printed, without its last newline */
  async dhow(...args: string[]): Promise<string> {
    const output = await this.dhowOutput(args);
    assertSuccess(output);
    return output.stdout.replace(/\n$/, "");
  }

  spawnDhow(args: readonly string[], options?: RunOptions): RunningInHost {
    return this.host.spawn(this.become([this.dhowPath, ...args]), options);
  }

  /** A shell script in a container of busybox, without a network unless flags give it one. */
  script(script: string, ...flags: string[]): Promise<string> {
    const network = flags.includes("--network") ? [] : ["--network", "none"];
    return this.dhow("run", "--rm", ...network, ...flags, "busybox", "sh", "-euc", script);
  }

  /** Starts a container that does nothing until it is told to end. */
  idle(name: string, ...flags: string[]): Promise<string> {
    const network = flags.includes("--network") ? [] : ["--network", "none"];
    const idle = ["sh", "-c", "trap 'exit 3' TERM; echo ready; while :; do sleep 1000 & wait; done"];
    return this.dhow("run", "-d", "--name", name, ...network, ...flags, "busybox", ...idle);
  }

  inspect(name: string, template: string): Promise<string> {
    return this.dhow("inspect", "--format", template, name);
  }

  /** The user namespace of a container's first process. */
  async namespaceOf(name: string): Promise<string> {
    const pid = await this.inspect(name, "{{.State.Pid}}");
    return await this.host.succeed(["readlink", `/proc/${pid}/ns/user`]);
  }

  /** What of containers and images lies in the user's folders. */
  async leftovers(): Promise<string> {
    const found = await this.host.shell(
      `cd ${PLACE} && find home/.local/share/dhow/*/* run/dhow/containers/* home/.local/share/dhow/run 2>/dev/null || true`,
    );
    return found.trim();
  }
}

/** Why a kernel cannot be had here; undefined when it can. */
function lackOf(kernel: Kernel): string | undefined {
  if (kernel === "usual") return undefined;
  for (const path of ["/usr/bin/fuse-overlayfs", "/dev/fuse"]) {
    if (!pathExists(path)) return `needs ${path}; run scripts/setup test`;
  }
  return undefined;
}

/**
 * A test of what an ordinary user does. At its end nothing is left of the user's containers, images and volumes, wherever their files
 * belong to, and the host is as it was.
 */
export function sailorTest(
  name: string,
  ids: Ids,
  test: (sailor: Sailor) => Promise<void>,
  kernel: Kernel = "usual",
): void {
  const who = ids === "single" ? "no other ids" : "ranges of ids";
  const where = kernel === "usual" ? "" : `, whose kernel ${kernel}`;
  const whole = `an ordinary user with ${who}${where}: ${name}`;
  const lack = lackOf(kernel);
  if (lack !== undefined) return Deno.test(whole, () => skip(whole, lack));
  systemTest(
    whole,
    async (host) => {
      const sailor = new Sailor(host, kernel);
      await sailor.dhow("load", "-q", "-i", "busybox.tar");
      try {
        await test(sailor);
      } finally {
        const running = (await sailor.dhowOutput(["ps", "-aq"])).stdout.trim().split("\n");
        const all = running.filter((id) => id !== "");
        if (all.length > 0) assertSuccess(await sailor.dhowOutput(["rm", "-f", "-v", ...all]));
        assertSuccess(await sailor.dhowOutput(["system", "prune", "-af", "--volumes"]));
      }
      assertEquals(await sailor.leftovers(), "");
    },
    (host) => Sailor.settle(host, ids),
  );
}
