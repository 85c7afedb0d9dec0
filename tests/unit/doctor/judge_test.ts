import { assertEquals, assertMatch } from "@std/assert";
import { type Facts, NAMESPACES, NEWER_CALLS, PROGRAMS, SYSCTLS } from "../../../src/doctor/facts.ts";
import { canRun, type Finding, judge } from "../../../src/doctor/judge.ts";

function record<Name extends string, Value>(names: readonly Name[], value: Value) {
  return Object.fromEntries(names.map((name) => [name, value])) as Record<Name, Value>;
}

/** A host that has everything. */
const HOST: Facts = {
  user: { uid: 0, name: "root", capabilities: (1n << 41n) - 1n },
  release: "6.12.0-1-amd64",
  architecture: "x86_64",
  now: Date.UTC(2026, 5, 1),
  calls: record(NEWER_CALLS, "works"),
  namespaces: record(NAMESPACES, "works"),
  limits: record(NAMESPACES, 15000),
  unprivileged: "works",
  sysctls: record(SYSCTLS, "1"),
  overlay: "works",
  userOverlay: "works",
  erofs: "works",
  loop: "works",
  idmapped: "works",
  bridge: "works",
  nat: "works",
  tun: "works",
  fuse: "works",
  programs: { ...record(PROGRAMS, "/usr/bin/it"), dnf: undefined, zypper: undefined, pacman: undefined },
  privilegedPrograms: ["newuidmap", "newgidmap"],
  firewalld: false,
  iptablesVersion: "iptables v1.8.9 (nf_tables)",
  cgroups: {
    version: 2,
    mountPoint: "/sys/fs/cgroup",
    controllers: ["cpu", "io", "memory", "pids"],
    delegated: ["cpu", "io", "memory", "pids"],
    isWritable: true,
    own: { path: "/sys/fs/cgroup/user.slice", isWritable: true },
  },
  seccompActions: ["kill_process", "errno", "allow"],
  selinux: undefined,
  hasAppArmor: false,
  state: {
    path: "/var/lib/dhow",
    nearest: "/var/lib",
    mountPoint: "/",
    type: "ext4",
    options: ["rw", "relatime"],
    free: 2 ** 34,
    freeFiles: 1_000_000,
    isWritable: true,
  },
  resolvConf: "nameserver 192.0.2.53\n",
  resolvedUpstreams: undefined,
  subuid: "sailor:100000:65536\n",
  subgid: "sailor:100000:65536\n",
};

const SAILOR: Partial<Facts> = { user: { uid: 1000, name: "sailor", capabilities: 0n } };
const NO_DEVICE = { why: "mount: no such device (ENODEV)" };
const NOT_PERMITTED = { why: "unshare: operation not permitted (EPERM)" };
const { cgroups, state, programs, sysctls, namespaces, limits, calls } = HOST;
const without = (...names: (keyof typeof programs)[]) => ({
  programs: { ...programs, ...record(names, undefined) },
});

function findingOf(facts: Partial<Facts>, check: string): Finding | undefined {
  return judge({ ...HOST, ...facts }).find((finding) => finding.check === check);
}

Deno.test("a host that has everything works", () => {
  const findings = judge(HOST);
  assertEquals(findings.filter(({ status }) => status !== "works"), []);
  assertEquals(canRun(findings), true);
});

Deno.test("each check is there once, in the same order for every host", () => {
  const checks = judge(HOST).map(({ check }) => check);
  assertEquals(new Set(checks).size, checks.length);
  assertEquals(judge({ ...HOST, ...SAILOR }).map(({ check }) => check), checks);
});

/** What a host lacks, the check that tells, its status, and what its text, its `instead` and its mending are like. */
type Row = readonly [
  facts: Partial<Facts>,
  check: string,
  status: Finding["status"],
  said: RegExp,
  mend?: string,
];

const rows: readonly Row[] = [
  [{ release: "5.9.16" }, "kernel.version", "broken", /older than Linux 5\.10/, "start a newer kernel"],
  [{ release: "5.10.0-33-amd64" }, "kernel.version", "works", /5\.10/],
  [{ release: "10.0" }, "kernel.version", "works", /10\.0/],
  [
    { calls: { ...calls, mount_setattr: NOT_PERMITTED } },
    "kernel.calls",
    "limited",
    /lacks mount_setattr; .*older/,
  ],
  [
    { calls: { ...calls, openat2: NOT_PERMITTED } },
    "kernel.calls",
    "broken",
    /lacks openat2/,
    "start a newer kernel, or leave a sandbox that forbids them",
  ],
  [SAILOR, "user", "works", /user sailor/],
  [
    { user: { ...HOST.user, capabilities: 0n } },
    "user",
    "broken",
    /CAP_SYS_ADMIN/,
    "leave the sandbox, or start it with that capability (docker: --privileged)",
  ],
  [{ user: { ...HOST.user, capabilities: undefined } }, "user", "unseen", /cannot be seen/],
  [
    { namespaces: { ...namespaces, pid: NOT_PERMITTED }, limits: { ...limits, pid: 0 } },
    "namespace.pid",
    "broken",
    /EPERM.*max_pid_namespaces is 0/,
    "sysctl -w user.max_pid_namespaces=10000",
  ],
  [{ namespaces: { ...namespaces, net: NOT_PERMITTED } }, "namespace.net", "limited", /--network host/],
  [{ namespaces: { ...namespaces, user: NOT_PERMITTED } }, "namespace.user", "limited", /--userns/],
  [
    { ...SAILOR, unprivileged: NOT_PERMITTED, namespaces: record(NAMESPACES, NOT_PERMITTED) },
    "namespace.mnt",
    "unseen",
    /EPERM/,
  ],
  [{ seccompActions: undefined }, "security.seccomp", "limited", /seccomp=unconfined only/],
  [
    { selinux: "enforcing", hasAppArmor: true },
    "security.modules",
    "works",
    /SELinux is enforcing, AppArmor is on; .*refuses --security-opt apparmor=/,
  ],
  [{ now: 0 }, "clock", "limited", /1970.*certificates/, "timedatectl set-ntp true"],
  [
    { cgroups: { ...cgroups, version: undefined, mountPoint: undefined } },
    "cgroup.version",
    "broken",
    /no cgroup/,
    "mount -t cgroup2 cgroup2 /sys/fs/cgroup",
  ],
  [
    { cgroups: { ...cgroups, isWritable: false } },
    "cgroup.writable",
    "broken",
    /no groups/,
    "mount -o remount,rw /sys/fs/cgroup",
  ],
  [
    { ...SAILOR, cgroups: { ...cgroups, own: { path: "/own", isWritable: true } } },
    "cgroup.writable",
    "works",
    /\/own is delegated/,
  ],
  [{ ...SAILOR, cgroups: { ...cgroups, own: undefined } }, "cgroup.writable", "limited", /version 1/],
  [
    { cgroups: { ...cgroups, delegated: ["cpu", "io"] } },
    "cgroup.controllers",
    "limited",
    /memory, pids; dhow hands them on/,
    'echo "+memory +pids" >/sys/fs/cgroup/cgroup.subtree_control',
  ],
  [
    { ...SAILOR, cgroups: { ...cgroups, delegated: ["cpu", "io"] } },
    "cgroup.controllers",
    "limited",
    /memory, pids.*memory is neither/,
    'echo "+memory +pids" >/sys/fs/cgroup/cgroup.subtree_control',
  ],
  [
    { cgroups: { ...cgroups, controllers: ["cpu", "pids"] } },
    "cgroup.controllers",
    "limited",
    /no memory/,
    "start the kernel without cgroup_disable=, and for memory with cgroup_enable=memory",
  ],
  [
    { cgroups: { ...cgroups, version: 1, controllers: ["cpu", "memory", "pids", "devices"], delegated: [] } },
    "cgroup.controllers",
    "limited",
    /not mounted: freezer; no pause/,
    "mkdir -p /sys/fs/cgroup/freezer && mount -t cgroup -o freezer cgroup /sys/fs/cgroup/freezer",
  ],
  [
    { cgroups: { ...cgroups, version: 1, controllers: ["cpu", "memory", "pids", "freezer"], delegated: [] } },
    "cgroup.controllers",
    "limited",
    /not mounted: devices; containers are not kept from the host's devices/,
    "mkdir -p /sys/fs/cgroup/devices && mount -t cgroup -o devices cgroup /sys/fs/cgroup/devices",
  ],
  [{ state: { ...state, options: ["rw", "noexec"] } }, "storage.place", "works", /noexec: of no effect/],
  [
    { state: { ...state, isWritable: false, options: ["ro"], mountPoint: "/var" } },
    "storage.place",
    "broken",
    /cannot be written/,
    "mount -o remount,rw /var",
  ],
  [
    { state: { ...state, isWritable: false } },
    "storage.place",
    "broken",
    /cannot be written/,
    "choose another place with --root DIR",
  ],
  [
    { state: { ...state, free: 1e6 } },
    "storage.room",
    "limited",
    /only 0 MiB/,
    "make room in /var/lib, or choose another place with --root DIR",
  ],
  [
    { state: { ...state, freeFiles: 3 } },
    "storage.room",
    "limited",
    /for 3 files/,
    "make room in /var/lib, or choose another place with --root DIR",
  ],
  [{ state: { ...state, free: undefined } }, "storage.room", "unseen", /does not tell/],
  [{ overlay: undefined }, "storage.overlay", "unseen", /root/],
  [{ overlay: NO_DEVICE }, "storage.overlay", "broken", /ENODEV/, "modprobe overlay"],
  [
    { overlay: { why: "mount: invalid argument (EINVAL)" } },
    "storage.overlay",
    "broken",
    /ext4/,
    "choose another place with --root DIR, on ext4, xfs, btrfs or tmpfs",
  ],
  [{ erofs: NO_DEVICE, loop: NO_DEVICE }, "storage.images", "limited", /unpacked/, "modprobe erofs"],
  [
    { erofs: { why: "ENOTBLK" }, release: "6.1.0" },
    "storage.images",
    "limited",
    /loop devices/,
    "start Linux 6.12 or later",
  ],
  [
    { erofs: { why: "ENOTBLK" } },
    "storage.images",
    "limited",
    /loop devices/,
    "choose another place with --root DIR, on ext4, xfs or btrfs",
  ],
  [{ idmapped: NOT_PERMITTED }, "storage.idmapped", "limited", /EPERM/],
  [without("ip"), "network.ip", "limited", /--network none/, "apt-get install iproute2"],
  [
    { programs: { ...programs, ip: undefined, "apt-get": undefined, dnf: "/usr/bin/dnf" } },
    "network.ip",
    "limited",
    /ip/,
    "dnf install iproute",
  ],
  [
    without("iptables-save"),
    "network.iptables",
    "works",
    /"iptables-save".*dhow uses \/usr\/bin\/it/,
  ],
  [
    without("iptables-save", "iptables-restore", "nft"),
    "network.iptables",
    "limited",
    /"iptables-restore" and no "iptables-save" command, and no "nft"; only/,
    "apt-get install iptables",
  ],
  [{ firewalld: true }, "network.firewalld", "works", /zone "trusted"/],
  [{ firewalld: { why: "no answer" } }, "network.firewalld", "unseen", /no answer/],
  [{ bridge: NOT_PERMITTED }, "network.bridge", "limited", /--network none/, "modprobe -a bridge veth"],
  [{ ...SAILOR, bridge: NOT_PERMITTED }, "network.bridge", "unseen", /this user/],
  [{ ...without("ip"), bridge: undefined }, "network.bridge", "unseen", /without "ip"/],
  [
    { nat: NOT_PERMITTED },
    "network.nat",
    "limited",
    /NAT/,
    "modprobe -a nf_tables nft_compat nft_chain_nat xt_MASQUERADE xt_conntrack",
  ],
  [
    { nat: NOT_PERMITTED, iptablesVersion: "iptables v1.8.9 (legacy)" },
    "network.nat",
    "limited",
    /NAT/,
    "modprobe -a ip_tables iptable_nat iptable_filter xt_MASQUERADE xt_conntrack",
  ],
  [
    { ...without("iptables", "iptables-restore"), nat: NOT_PERMITTED },
    "network.nat",
    "limited",
    /NAT/,
    "modprobe -a nf_tables nft_chain_nat nft_masq nft_ct nft_fib_inet",
  ],
  [{ ...without("iptables", "nft"), nat: undefined }, "network.nat", "unseen", /without "iptables"/],
  [{ sysctls: { ...sysctls, "net/ipv4/ip_forward": "0" } }, "network.forwarding", "works", /switches it on/],
  [{ sysctls: record(SYSCTLS, undefined) }, "network.forwarding", "unseen", /ip_forward/],
  [{ sysctls: record(SYSCTLS, undefined) }, "network.netfilter", "works", /no rules/],
  [{ sysctls: record(SYSCTLS, undefined) }, "network.rp_filter", "unseen", /rp_filter/],
  [{ resolvConf: undefined }, "network.dns", "limited", /names no server.*8\.8\.8\.8/],
  [{ resolvConf: "nameserver ::1\n" }, "network.dns", "limited", /names ::1/],
  [
    { resolvConf: "nameserver 127.0.0.53\n", resolvedUpstreams: "nameserver 192.0.2.7\n" },
    "network.dns",
    "works",
    /resolved; containers ask 192\.0\.2\.7/,
  ],
  [
    { unprivileged: NOT_PERMITTED },
    "rootless.userns",
    "limited",
    /EPERM/,
    "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
  ],
  [
    { unprivileged: NOT_PERMITTED, sysctls: { ...sysctls, "kernel/unprivileged_userns_clone": "0" } },
    "rootless.userns",
    "limited",
    /EPERM/,
    "sysctl -w kernel.unprivileged_userns_clone=1",
  ],
  [
    { unprivileged: NOT_PERMITTED, limits: { ...limits, user: 0 } },
    "rootless.userns",
    "limited",
    /EPERM/,
    "sysctl -w user.max_user_namespaces=15000",
  ],
  [SAILOR, "rootless.ids", "works", /has ranges/],
  [{ ...SAILOR, subuid: "1000:1:65536" }, "rootless.ids", "works", /has ranges/],
  [
    { ...SAILOR, subuid: undefined, subgid: "other:200000:65536" },
    "rootless.ids",
    "limited",
    /subuid and/,
    "usermod --add-subuids 265536-331071 --add-subgids 265536-331071 sailor",
  ],
  [
    { ...SAILOR, subuid: "sailor:100000:10" },
    "rootless.ids",
    "limited",
    /subuid/,
    "usermod --add-subuids 165536-231071 sailor",
  ],
  [
    without("newuidmap", "newgidmap"),
    "rootless.mappers",
    "limited",
    /newuidmap and no newgidmap/,
    "apt-get install uidmap",
  ],
  [
    { privilegedPrograms: ["newuidmap"] },
    "rootless.mappers",
    "limited",
    /newgidmap may not/,
    "chmod u+s /usr/bin/it",
  ],
  [without("pasta"), "rootless.network", "works", /it/],
  [without("pasta", "slirp4netns"), "rootless.network", "limited", /no network/, "apt-get install passt"],
  [
    { tun: NOT_PERMITTED },
    "rootless.network",
    "limited",
    /dev\/net\/tun/,
    "modprobe tun && chmod 666 /dev/net/tun",
  ],
  [{ ...SAILOR, userOverlay: NOT_PERMITTED }, "rootless.overlay", "limited", /EPERM.*fuse-overlayfs is used/],
  [
    { userOverlay: NOT_PERMITTED, ...without("fuse-overlayfs") },
    "rootless.overlay",
    "limited",
    /EPERM.*no fuse-overlayfs/,
    "apt-get install fuse-overlayfs",
  ],
  [
    { ...SAILOR, userOverlay: NOT_PERMITTED, ...without("fuse-overlayfs") },
    "rootless.overlay",
    "broken",
    /EPERM.*no fuse-overlayfs/,
    "apt-get install fuse-overlayfs",
  ],
  [
    { ...SAILOR, userOverlay: NOT_PERMITTED, fuse: NOT_PERMITTED },
    "rootless.overlay",
    "broken",
    /EPERM.*\/dev\/fuse/,
    "modprobe fuse && chmod 666 /dev/fuse",
  ],
  [{ ...SAILOR, unprivileged: NOT_PERMITTED }, "rootless.userns", "broken", /EPERM/],
  [SAILOR, "storage.images", "works", /unpacked/],
  [{ ...SAILOR, state: { ...state, isWritable: false } }, "storage.place", "broken", /by this user/],
  [{ ...SAILOR, ...without("ip") }, "network.ip", "limited", /rootless\.network/],
];

for (const [index, [facts, check, status, said, mend]] of rows.entries()) {
  Deno.test(`doctor, row ${index + 1}: ${check} is ${status}, and says ${said}`, () => {
    const finding = findingOf(facts, check);
    assertEquals(finding?.status, status);
    assertMatch([finding?.text, finding?.instead].join("; "), said);
    if (mend !== undefined || status === "works") assertEquals(finding?.mend, mend);
    assertEquals(canRun([finding!]), status !== "broken");
  });
}
