/** Looks at this host. Nothing of it is changed. */
import { dirname } from "@std/path";
import { statfsSync } from "node:fs";
import {
  CLONE_NEWCGROUP,
  CLONE_NEWIPC,
  CLONE_NEWNET,
  CLONE_NEWNS,
  CLONE_NEWPID,
  CLONE_NEWTIME,
  CLONE_NEWUSER,
  CLONE_NEWUTS,
} from "../../ffi/constants.ts";
import { ANY_ERRNO, describeErrno, EACCES, ENOENT } from "../../ffi/errno.ts";
import { canWrite, pathExists } from "../../ffi/files.ts";
import { tryLibcCall } from "../../ffi/table.ts";
import { tryMount } from "../image/erofs/mount.ts";
import type { IndexMount } from "../image/store/storage.ts";
import { cgroupVersion, hierarchies } from "../limits/cgroup.ts";
import { delegatedCgroup } from "../limits/delegated.ts";
import { isFirewalldRunning } from "../network/firewall/firewalld.ts";
import { findProgram } from "../plan/program.ts";
import { FUSE_DEVICE } from "../plan/step.ts";
import { RESOLVED_UPSTREAMS } from "../rootfs/etc_files.ts";
import { tryOverlay } from "../rootfs/overlay_trial.ts";
import { userEntry } from "../rootless/ids.ts";
import type { Paths } from "../state/paths.ts";
import { isRootless } from "../state/user_namespace.ts";
import { readConfiguration } from "../state/read.ts";
import {
  type Cgroups,
  type Facts,
  type Namespace,
  NAMESPACES,
  NEWER_CALLS,
  PROGRAMS,
  type StateFolder,
  SYSCTLS,
  type Trial,
} from "./facts.ts";
import { tryCall, tryIdmapped, tryInNetwork, tryNamespace, tryUnprivileged } from "./trials.ts";

const FLAGS: Readonly<Record<Namespace, number>> = {
  mnt: CLONE_NEWNS,
  uts: CLONE_NEWUTS,
  ipc: CLONE_NEWIPC,
  pid: CLONE_NEWPID,
  net: CLONE_NEWNET,
  user: CLONE_NEWUSER,
  cgroup: CLONE_NEWCGROUP,
  time: CLONE_NEWTIME,
};

/** What dhow's own rules need of netfilter (src/network/steps.ts), in a table of nobody's. */
const NAT_RULE = [
  "-t",
  "nat",
  "-A",
  "POSTROUTING",
  "-s",
  "192.0.2.0/24",
  "!",
  "-o",
  "lo",
  "-j",
  "MASQUERADE",
];
const FORWARD_RULE = ["-A", "FORWARD", "-m", "conntrack", "--ctstate", "RELATED,ESTABLISHED", "-j", "ACCEPT"];

/** The same for nft(8), in one go. */
const NFT_RULES = [[
  "table ip doctor {",
  'chain postrouting { type nat hook postrouting priority 100; oifname != "doctor0" masquerade; }',
  "chain forward { type filter hook forward priority 0; ct state related,established accept; }",
  "chain output { type nat hook output priority -100; fib daddr type local accept; }",
  "}",
].join("\n")];

/** @param paths where dhow keeps things, which need not be there */
export async function examine(paths: Paths): Promise<Facts> {
  const uid = Deno.uid() ?? 0;
  const isRoot = uid === 0;
  const state = stateFolder(paths.state);
  const programs = record(PROGRAMS, findProgram);
  const namespaces = await recordInTurn(NAMESPACES, (kind) => tryNamespace(FLAGS[kind], isRoot));
  return {
    user: {
      uid,
      isInNamespace: isRootless(),
      name: userEntry(readConfiguration("/etc/passwd") ?? "", uid)?.name,
      capabilities: hexadecimal(/^CapEff:\s*([0-9a-f]+)/m.exec(readText("/proc/self/status") ?? "")?.[1]),
    },
    release: Deno.osRelease(),
    architecture: Deno.build.arch,
    now: Date.now(),
    calls: record(NEWER_CALLS, tryCall),
    namespaces,
    limits: record(NAMESPACES, (kind) => number(readText(`/proc/sys/user/max_${kind}_namespaces`))),
    unprivileged: await tryUnprivileged(isRoot),
    sysctls: record(SYSCTLS, (name) => readText(`/proc/sys/${name}`)?.trim()),
    overlay: isRoot ? await tryOverlay(state.nearest, false) : undefined,
    userOverlay: await tryUserOverlay(state, isRoot),
    erofs: isRoot ? tryIndexMount(state.nearest, "erofs") : undefined,
    loop: isRoot ? tryIndexMount(state.nearest, "loop") : undefined,
    idmapped: isRoot ? await tryIdmapped(state.nearest) : undefined,
    ...await tryNetwork(programs, isRoot),
    tun: openDevice("/dev/net/tun", isRoot),
    fuse: openDevice(FUSE_DEVICE, isRoot),
    programs,
    privilegedPrograms: (["newuidmap", "newgidmap"] as const).filter((name) => isPrivileged(programs[name])),
    firewalld: await firewalld(),
    iptablesVersion: await iptablesVersion(programs.iptables),
    cgroups: cgroups(),
    seccompActions: readText("/proc/sys/kernel/seccomp/actions_avail")?.trim().split(/\s+/),
    selinux: selinux(),
    hasAppArmor: readText("/sys/module/apparmor/parameters/enabled")?.trim() === "Y",
    state,
    resolvConf: readConfiguration("/etc/resolv.conf"),
    resolvedUpstreams: readConfiguration(RESOLVED_UPSTREAMS),
    subuid: readConfiguration("/etc/subuid"),
    subgid: readConfiguration("/etc/subgid"),
  };
}

function record<Name extends string, Value>(names: readonly Name[], valueOf: (name: Name) => Value) {
  return Object.fromEntries(names.map((name) => [name, valueOf(name)])) as Record<Name, Value>;
}

/** The same for what takes time, one after another: what is tried at once could count against a limit. */
async function recordInTurn<Name extends string, Value>(
  names: readonly Name[],
  valueOf: (name: Name) => Promise<Value>,
) {
  const values: [Name, Value][] = [];
  for (const name of names) values.push([name, await valueOf(name)]);
  return Object.fromEntries(values) as Record<Name, Value>;
}

/** The text of a file; undefined when it is not there or may not be read, which doctor can do without. */
function readText(path: string): string | undefined {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return undefined;
  }
}

function number(text: string | undefined): number | undefined {
  return text === undefined ? undefined : Number(text);
}

function hexadecimal(text: string | undefined): bigint | undefined {
  return text === undefined ? undefined : BigInt(`0x${text}`);
}

/** What is tried as an ordinary user is tried where that one can write. */
function tryUserOverlay(state: StateFolder, isRoot: boolean): Promise<Trial> {
  const places = [state.nearest, ...(isRoot ? [] : [Deno.env.get("HOME") ?? "/tmp", "/tmp"])];
  return tryOverlay(places.find(canWrite) ?? "/tmp", true);
}

function tryIndexMount(folder: string, mount: IndexMount): Trial {
  try {
    const obstacle = tryMount(folder, mount);
    return obstacle === null ? "works" : { why: obstacle };
  } catch (error) {
    return { why: error instanceof Error ? error.message : String(error) };
  }
}

/** @param isRoot then what others may do is looked at */
function openDevice(path: string, isRoot: boolean): Trial {
  const OTHERS = 0o006;
  if (!pathExists(path)) return { why: describeErrno(ENOENT) };
  const isOpen = isRoot ? ((Deno.statSync(path).mode ?? 0) & OTHERS) === OTHERS : canWrite(path);
  return isOpen ? "works" : { why: describeErrno(EACCES) };
}

async function tryNetwork(
  programs: Facts["programs"],
  isRoot: boolean,
): Promise<{ bridge: Trial; nat: Trial }> {
  const { ip, iptables, nft } = programs;
  const attempt = async (program: string | undefined, args: readonly string[]): Promise<Trial> =>
    program === undefined ? undefined : await tryInNetwork([program, ...args], isRoot);
  const bridge = await attempt(ip, ["link", "add", "doctor0", "type", "bridge"]);
  const veth = await attempt(ip, ["link", "add", "doctor0", "type", "veth", "peer", "name", "doctor1"]);
  const byNft = programs["iptables-restore"] === undefined && nft !== undefined;
  const nat = await (byNft ? attempt(nft, NFT_RULES) : attempt(iptables, NAT_RULE));
  const forward = byNft ? nat : await attempt(iptables, FORWARD_RULE);
  return { bridge: bridge === "works" ? veth : bridge, nat: nat === "works" ? forward : nat };
}

/** The set-user-ID bit, or file capabilities (capabilities(7)). */
function isPrivileged(path: string | undefined): boolean {
  if (path === undefined) return false;
  const { mode } = Deno.statSync(path);
  return ((mode ?? 0) & 0o4000) !== 0 ||
    tryLibcCall(ANY_ERRNO, "getxattr", path, "security.capability", 0, 0) > 0;
}

/** An ordinary user may not be told. */
async function firewalld(): Promise<Facts["firewalld"]> {
  try {
    return await isFirewalldRunning();
  } catch (error) {
    return { why: error instanceof Error ? error.message : String(error) };
  }
}

async function iptablesVersion(path: string | undefined): Promise<string | undefined> {
  if (path === undefined) return undefined;
  try {
    const { success, stdout } = await new Deno.Command(path, {
      args: ["--version"],
      stderr: "null",
      cwd: "/",
    })
      .output();
    return success ? new TextDecoder().decode(stdout).trim() : undefined;
  } catch {
    return undefined; // then it is told by what it cannot do
  }
}

function cgroups(): Cgroups {
  const mounted = hierarchies(readText("/proc/self/mountinfo") ?? "");
  const words = (path: string) => (readText(path) ?? "").split(/\s+/).filter((word) => word !== "");
  const version = mounted.length === 0 ? undefined : cgroupVersion(mounted);
  const used = mounted.filter((hierarchy) => hierarchy.version === version);
  const [first] = used;
  if (version === undefined || first === undefined) {
    const none = { version, mountPoint: undefined, controllers: [], delegated: [] };
    return { ...none, isWritable: false, own: undefined };
  }
  const { mountPoint } = first;
  const isWritable = used.every((hierarchy) => canWrite(hierarchy.mountPoint));
  if (version === 1) {
    const isController = (option: string) =>
      /^[a-z_]+$/.test(option) && !["rw", "ro", "xattr"].includes(option);
    const controllers = used.flatMap(({ options }) => options.filter(isController));
    return { version, mountPoint, controllers, delegated: controllers, isWritable, own: undefined };
  }
  const path = delegatedCgroup().path ?? /^0::(.*)$/m.exec(readText("/proc/self/cgroup") ?? "")?.[1];
  const own = path === undefined ? undefined : `${mountPoint}${path === "/" ? "" : path}`;
  return {
    version,
    mountPoint,
    controllers: words(`${mountPoint}/cgroup.controllers`),
    delegated: words(`${mountPoint}/cgroup.subtree_control`),
    isWritable,
    own: own === undefined ? undefined : { path: own, isWritable: canWrite(own) },
  };
}

function selinux(): Facts["selinux"] {
  const enforce = readText("/sys/fs/selinux/enforce")?.trim();
  return enforce === undefined ? undefined : enforce === "1" ? "enforcing" : "permissive";
}

function stateFolder(path: string): StateFolder {
  let nearest = path;
  while (nearest !== "/" && !isFolder(nearest)) nearest = dirname(nearest);
  const place = mountOf(Deno.realPathSync(nearest));
  return { path, nearest, ...place, ...freeSpace(nearest), isWritable: canWrite(nearest) };
}

function isFolder(path: string): boolean {
  try {
    return Deno.statSync(path).isDirectory;
  } catch {
    return false; // not there, or not to be seen
  }
}

/** @returns in bytes, and files; undefined when the file system does not tell */
function freeSpace(path: string): { free: number | undefined; freeFiles: number | undefined } {
  try {
    const { bavail, bsize, files, ffree } = statfsSync(path);
    return { free: bavail * bsize, freeFiles: files === 0 ? undefined : ffree };
  } catch {
    return { free: undefined, freeFiles: undefined };
  }
}

type Place = Pick<StateFolder, "type" | "options" | "mountPoint">;

/** The mount that a path is in: the last of those with the longest mount point above it (proc(5)). */
function mountOf(path: string): Place {
  let found: Place = { type: undefined, options: [], mountPoint: "/" };
  for (const line of (readText("/proc/self/mountinfo") ?? "").split("\n")) {
    const [before = "", after = ""] = line.split(" - ");
    const [, , , , mountPoint = "", options = ""] = before.split(" ");
    const isAbove = mountPoint === "/" || path === mountPoint || path.startsWith(`${mountPoint}/`);
    if (line === "" || !isAbove || mountPoint.length < found.mountPoint.length) continue;
    found = { type: after.split(" ")[0], options: options.split(","), mountPoint };
  }
  return found;
}
