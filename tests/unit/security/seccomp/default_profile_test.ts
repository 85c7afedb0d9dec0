import { assert, assertEquals } from "@std/assert";
import { Arena } from "../../../../ffi/arena.ts";
import { PR_SET_NO_NEW_PRIVS, SECCOMP_SET_MODE_FILTER } from "../../../../ffi/constants.ts";
import { EPERM } from "../../../../ffi/errno.ts";
import { makePipe } from "../../../../ffi/process.ts";
import { spawnWalking } from "../../../../ffi/spawn.ts";
import { CallTable } from "../../../../ffi/table.ts";
import { CAPABILITIES, DEFAULT_CAPABILITIES } from "../../../../src/security/capabilities.ts";
import { compileDefault } from "../../../../src/security/seccomp/choose.ts";
import { compileSeccomp } from "../../../../src/security/seccomp/compile.ts";
import { DEFAULT_PROFILE } from "../../../../src/security/seccomp/default_profile.ts";
import { readyFilter } from "../../../../src/security/seccomp/filter.ts";
import { parseProfile, resolveProfile } from "../../../../src/security/seccomp/profile.ts";
import { SYSTEM_CALLS_OF } from "../../../../src/security/seccomp/system_calls.ts";
import { AUDIT_ARCH, RET_ALLOW, RET_ERRNO, runFilter } from "../../../support/bpf.ts";

const CPUS = ["x86_64", "aarch64"] as const;
const ENOSYS = 38;

const filterFor = (capabilities: readonly string[], cpu: "x86_64" | "aarch64") =>
  Uint8Array.from(atob(compileDefault(capabilities, cpu).program), (character) => character.charCodeAt(0));

const X86_64 = SYSTEM_CALLS_OF.SCMP_ARCH_X86_64();

function ask(
  name: string,
  args: readonly bigint[] = [],
  capabilities: readonly string[] = DEFAULT_CAPABILITIES,
) {
  const all = Array.from({ length: 6 }, (_, index) => args[index] ?? 0n);
  const call = { architecture: AUDIT_ARCH.x86_64, number: X86_64.get(name)!, args: all };
  return runFilter(filterFor(capabilities, "x86_64"), call).value;
}

Deno.test("the ready-made filter is what the default profile is compiled to now: scripts/make-default-filter", () => {
  for (const cpu of CPUS) {
    assertEquals(readyFilter(DEFAULT_CAPABILITIES, cpu), compileDefault(DEFAULT_CAPABILITIES, cpu));
  }
});

Deno.test("the ready-made filter is taken for those sets of capabilities for which it would be compiled", () => {
  const ready = compileDefault(DEFAULT_CAPABILITIES, "x86_64");
  for (const name of CAPABILITIES) {
    const changed = DEFAULT_CAPABILITIES.some((known) => known === name)
      ? DEFAULT_CAPABILITIES.filter((known) => known !== name)
      : [...DEFAULT_CAPABILITIES, name];
    const isSame = compileDefault(changed, "x86_64").program === ready.program;
    assertEquals(readyFilter(changed, "x86_64") !== undefined, isSame, name);
  }
});

Deno.test("every name of the default profile is a call of some CPU", () => {
  const known = new Set(Object.values(SYSTEM_CALLS_OF).flatMap((table) => [...table().keys()]));
  // as arm has it, but only under another name
  known.add("sync_file_range2");
  for (const name of DEFAULT_PROFILE.syscalls.flatMap(({ names }) => names)) assert(known.has(name), name);
});

Deno.test("what other programs use to break out is refused", () => {
  for (
    const name of [
      "mount",
      "unshare",
      "setns",
      "keyctl",
      "add_key",
      "bpf",
      "io_uring_setup",
      "userfaultfd",
      "kexec_load",
    ]
      .concat([
        "open_by_handle_at",
        "perf_event_open",
        "init_module",
        "pivot_root",
        "reboot",
        "move_mount",
        "fsopen",
      ])
  ) assertEquals(ask(name), RET_ERRNO + EPERM, name);
});

Deno.test("no new namespaces, by no way of cloning", () => {
  const SIGCHLD = 17n;
  assertEquals(ask("clone", [SIGCHLD]), RET_ALLOW);
  for (const flag of [0x20000n, 0x2000000n, 0x4000000n, 0x8000000n, 0x10000000n, 0x20000000n, 0x40000000n]) {
    assertEquals(ask("clone", [SIGCHLD | flag]), RET_ERRNO + EPERM);
  }
  assertEquals(ask("clone3"), RET_ERRNO + ENOSYS);
});

Deno.test("sockets of all families but AF_ALG and AF_VSOCK, whatever is in the upper half of an int", () => {
  for (let family = 0n; family < 48n; family++) {
    const expected = family === 38n || family === 40n ? RET_ERRNO + EPERM : RET_ALLOW;
    for (const upper of [0n, 1n << 32n, 0xffffffff00000000n]) {
      assertEquals(ask("socket", [family | upper]), expected);
    }
  }
  assertEquals(ask("socket", [48n]), RET_ERRNO + EPERM);
});

Deno.test("personalities are those that change nothing that matters", () => {
  for (const value of [0n, 8n, 0x20000n, 0x20008n, 0xffffffffn]) {
    assertEquals(ask("personality", [value]), RET_ALLOW);
  }
  const ADDR_NO_RANDOMIZE = 0x40000n;
  assertEquals(ask("personality", [ADDR_NO_RANDOMIZE]), RET_ERRNO + EPERM);
});

Deno.test("a capability brings its calls", () => {
  assertEquals(ask("mount", [], ["CAP_SYS_ADMIN"]), RET_ALLOW);
  assertEquals(ask("clone3", [], ["CAP_SYS_ADMIN"]), RET_ALLOW);
  assertEquals(ask("clone", [0x10000000n], ["CAP_SYS_ADMIN"]), RET_ALLOW);
  assertEquals(ask("chroot"), RET_ALLOW);
  assertEquals(ask("chroot", [], []), RET_ERRNO + EPERM);
  assertEquals(ask("syslog", [], ["CAP_SYSLOG"]), RET_ALLOW);
});

Deno.test("the default is decided in a few steps for nearly all calls", () => {
  const filter = filterFor(DEFAULT_CAPABILITIES, "x86_64");
  const steps = [...X86_64].filter(([name]) => name !== "socket" && name !== "personality").map((
    [, number],
  ) => runFilter(filter, { architecture: AUDIT_ARCH.x86_64, number, args: [0n, 0n, 0n, 0n, 0n, 0n] }).steps);
  assert(Math.max(...steps) <= 14, `${Math.max(...steps)} steps`);
});

/** What docker allows, in its newest profile, and this older one of podman's does not. */
const OTHERWISE = new Set([
  // newer than the profile
  ..."cachestat fchmodat2 futex_requeue futex_wait futex_waitv futex_wake getxattrat listmount listxattrat"
    .split(" "),
  ..."map_shadow_stack mseal pkey_alloc pkey_free pkey_mprotect removexattrat setxattrat statmount uretprobe"
    .split(" "),
  // what docker has always allowed
  ..."io_pgetevents io_pgetevents_time64 vmsplice".split(" "),
  // podman refuses one kind of netlink socket, which makes that socketcall(2) is refused for all of them
  "socketcall",
]);

/** Where Debian's package golang-github-containers-common has the profile of podman and buildah, which is docker's and a little more. */
const PEER = "/usr/share/containers/seccomp.json";

Deno.test("what the default allows, podman's default allows as well, save for what is listed here", () => {
  let text: string;
  try {
    text = Deno.readTextFileSync(PEER);
  } catch {
    return; // not installed
  }
  const peer = parseProfile(text, PEER);
  const values = [0n, 1n, 8n, 17n, 38n, 39n, 41n, 0x20000n, 0x20008n, 0xffffffffn, 0x10000000n, 0x7e020000n];
  const more = new Set<string>();
  for (const cpu of CPUS) {
    for (const capabilities of [DEFAULT_CAPABILITIES, []]) {
      const ours = filterFor(capabilities, cpu);
      const theirs = compileSeccomp(resolveProfile(peer, { cpu, capabilities, kernel: [6, 1] }), cpu);
      const machines = {
        x86_64: "SCMP_ARCH_X86_64",
        i386: "SCMP_ARCH_X86",
        aarch64: "SCMP_ARCH_AARCH64",
        arm: "SCMP_ARCH_ARM",
      } as const;
      for (const [machine, table] of Object.entries(machines)) {
        const architecture = AUDIT_ARCH[machine as keyof typeof AUDIT_ARCH];
        for (const [name, number] of SYSTEM_CALLS_OF[table]()) {
          for (const value of values) {
            const call = { architecture, number, args: [value, value, 0n, 0n, 0n, 0n] };
            const isMore = runFilter(ours, call).value === RET_ALLOW &&
              runFilter(theirs, call).value !== RET_ALLOW;
            if (isMore) more.add(name);
          }
        }
      }
    }
  }
  assertEquals([...more].filter((name) => !OTHERWISE.has(name)), []);
});

Deno.test("the kernel takes the default filter, and refuses what it refuses", async () => {
  const arena = new Arena(256 * 1024);
  const ready = makePipe();
  const table = new CallTable(arena, 8);
  const cpu = Deno.build.arch;
  const filter = filterFor(DEFAULT_CAPABILITIES, cpu);
  const program = arena.allocate(16); // struct sock_fprog
  arena.setWord(program, filter.length / 8);
  arena.setWord(program + 8, arena.data(filter));
  table.call("write", [ready.writer, "x", 1]);
  table.call("prctl", [PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0]);
  table.call("seccomp", [SECCOMP_SET_MODE_FILTER, 0, program]);
  const allowed = table.call("umask", [0o22]);
  const CLONE_NEWUSER = 0x10000000;
  const refused = table.call("unshare", [CLONE_NEWUSER], { tolerate: [EPERM] });
  const family = table.call("socket", [40, 1, 0], { tolerate: [EPERM] });
  const { ended } = spawnWalking(table, 0, ready);
  assertEquals(await ended, { code: 0 });
  assertEquals([allowed.errno, refused.errno, family.errno], [0, EPERM, EPERM]);
});
