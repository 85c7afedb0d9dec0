/** What a container is given when nothing is asked for, as seen from inside: in words that do not depend on the machine. */
import type { Output } from "./process.ts";

/** Runs an option-less container of busybox, without a network, and gives what it prints. */
export type RunProbe = (script: string, flags?: readonly string[]) => Promise<Output>;

/** Namespaces by their kinds, as readlink(1) prints them, of who starts containers. */
export type Namespaces = Readonly<Record<string, string>>;

const PARTS: Readonly<Record<string, string>> = {
  status: "cat /proc/self/status",
  limits: "cat /proc/self/limits",
  process: "for file in oom_score_adj coredump_filter; do echo $file $(cat /proc/self/$file); done",
  cgroup: "cat /proc/self/cgroup",
  namespaces: "cd /proc/self/ns && for kind in *; do echo $kind $(readlink $kind); done",
  mounts: "cut -d' ' -f5- /proc/self/mountinfo",
  folders: "cut -d' ' -f5 /proc/self/mountinfo | while read -r path; do [ ! -d $path ] || echo $path; done",
  devices:
    "find /dev | while read -r path; do [ ! -e $path ] || stat -c '%n|%F %t:%T %a %u:%g|%N' $path; done",
  env: "env",
  streams: "for fd in /proc/self/fd/*; do echo ${fd##*/} $(readlink $fd); done",
  kernel:
    "for key in ip_unprivileged_port_start ping_group_range; do echo net.ipv4.$key $(cat /proc/sys/net/ipv4/$key); done; " +
    "echo hostname $(hostname); echo first $(tr '\\0' ' ' </proc/1/cmdline | cut -c 1-6)",
};

/** The parts of what a container sees, as they are printed. */
export async function probe(run: RunProbe): Promise<Readonly<Record<string, string>>> {
  const script = Object.entries(PARTS).map(([name, command]) => `echo "== ${name}"; (${command})`).join("\n");
  const { code, stdout, stderr } = await run(script);
  if (code !== 0) throw new Error(`the probe ended with ${code}: ${stderr}`);
  const parts = stdout.split(/^== (\w+)\n/m).slice(1);
  return Object.fromEntries(
    parts.flatMap((name, index) => index % 2 === 0 ? [[name, parts[index + 1]!.trimEnd()]] : []),
  );
}

/** How the session keyring of a container is called: from /proc/keys, which shows those of the whole machine. */
export async function sessionKeyring(run: RunProbe): Promise<string> {
  const flags = ["--security-opt", "systempaths=unconfined"];
  const { stdout } = await run("hostname; cat /proc/keys", flags);
  const [hostname = "", ...keys] = stdout.split("\n");
  return keys.some((line) => line.includes(` _ses.${hostname}`)) ? "named by its id" : "not named by its id";
}

const STATUS = [
  ...["Uid", "Gid", "Groups", "Umask", "SigBlk", "SigIgn", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"],
  ...["NoNewPrivs", "Seccomp", "Seccomp_filters"],
];

/** Options of file systems that say how they can be used; others tell of the machine. */
const TELLING = /^(size|mode|gid|ptmxmode)=/;

interface MountLine {
  readonly path: string;
  readonly type: string;
  readonly flags: string;
  readonly options: string;
  readonly hasRelativeTimes: boolean;
}

/** Of a line of /proc/self/mountinfo, from its fifth field on. */
function parseMount(line: string): MountLine {
  const [before = "", after = ""] = line.split(" - ");
  const [path = "", flags = ""] = before.split(" ");
  const [type = "", , options = ""] = after.split(" ");
  return {
    path,
    type,
    flags: flags.split(",").filter((flag) => flag !== "relatime").join(","),
    options: options.split(",").filter((option) => TELLING.test(option)).sort().join(","),
    hasRelativeTimes: flags.includes("relatime"),
  };
}

/** What is hidden of /proc and /sys, and what is shown only; all else that is mounted, by its path. */
export interface Mounts {
  readonly hidden: readonly string[];
  readonly readOnly: readonly string[];
  readonly rows: ReadonlyMap<string, string>;
}

export function describeMounts(parts: Readonly<Record<string, string>>): Mounts {
  const all = parts.mounts!.split("\n").map(parseMount);
  const folders = parts.folders!.split("\n");
  const rows = new Map<string, string>();
  const covers = all.filter(({ path, type }) =>
    /^\/(proc|sys)\/(?!fs\/cgroup)/.test(path) && type === "tmpfs"
  );
  const shown = all.filter(({ path, type }) => /^\/proc\//.test(path) && type === "proc");
  const flagsOf = (mounts: readonly MountLine[]) =>
    [...new Set(mounts.map(({ flags }) => flags))].join(" or ");
  rows.set("hidden folders", flagsOf(covers.filter(({ path }) => folders.includes(path))));
  rows.set("hidden files", flagsOf(covers.filter(({ path }) => !folders.includes(path))));
  rows.set("parts of /proc that are read-only", flagsOf(shown));
  const cgroups = all.filter(({ type }) => type.startsWith("cgroup"));
  rows.set(
    "cgroups in /sys/fs/cgroup",
    cgroups.length === 0
      ? "none"
      : `${cgroups.length === 1 ? "its own" : "all hierarchies"}: ${flagsOf(cgroups)}`,
  );
  for (const { path, type, flags, options } of all) {
    if (path.startsWith("/sys/") || path.startsWith("/proc/")) continue;
    // where its files lie is the storage's business
    const isOfHost = path === "/" || path.startsWith("/etc/");
    rows.set(path, isOfHost ? flags : [type, flags, options].filter((word) => word !== "").join(" "));
  }
  const dev = all.find(({ path }) => path === "/dev");
  rows.set("times of access in /dev", dev?.hasRelativeTimes === true ? "relatime" : "strictatime");
  return { hidden: covers.map(({ path }) => path), readOnly: shown.map(({ path }) => path), rows };
}

/** All rows but those of what is hidden, by their names. */
export function describe(
  parts: Readonly<Record<string, string>>,
  starters: readonly Namespaces[],
): Map<string, string> {
  const rows = new Map<string, string>();
  const lines = (part: string) => parts[part]!.split("\n");
  for (const line of lines("status")) {
    const [, name = "", value = ""] = /^(\w+):\s*(.*?)\s*$/.exec(line) ?? [];
    if (STATUS.includes(name)) rows.set(name, value.replaceAll("\t", " "));
  }
  for (const line of lines("limits").slice(1)) {
    const [name = "", soft = "", hard = ""] = line.split(/\s{2,}/);
    rows.set(`limit: ${name}`, `${soft} ${hard}`);
  }
  for (const part of ["process", "kernel"]) {
    for (const line of lines(part)) {
      const at = line.indexOf(" ");
      rows.set(line.slice(0, at), line.slice(at + 1).trim());
    }
  }
  const paths = lines("cgroup").map((line) => line.split(":").slice(2).join(":"));
  rows.set(
    "/proc/self/cgroup",
    [...new Set(paths)].map((path) => path.replace(/[0-9a-f]{64}/, "ID")).join(" or "),
  );
  for (const line of lines("namespaces")) {
    const [kind = "", id = ""] = line.split(" ");
    if (kind.endsWith("_for_children")) continue;
    rows.set(`${kind} namespace`, starters.some((of) => of[kind] === id) ? "the host's" : "its own");
  }
  for (const [path, value] of describeMounts(parts).rows) rows.set(path, value);
  for (const line of lines("devices")) {
    const [path = "", node = "", link = ""] = line.split("|");
    const target = / -> '(.*)'$/.exec(link)?.[1];
    if (!node.startsWith("directory")) {
      rows.set(`node ${path}`, target === undefined ? node : `link to ${target}`);
    }
  }
  for (const line of lines("env")) {
    const [name = "", ...value] = line.split("=");
    // what the shell itself sets
    if (name !== "SHLVL" && name !== "PWD") rows.set(`$${name}`, value.join("="));
  }
  const hostname = rows.get("hostname") ?? "";
  for (const name of ["hostname", "$HOSTNAME"]) {
    if (/^[0-9a-f]{12}$/.test(rows.get(name) ?? "") && rows.get(name) === hostname) {
      rows.set(name, "its short id");
    }
  }
  const streams = lines("streams").map((line) => line.split(" "));
  rows.set("descriptors", streams.map(([fd]) => fd).filter((fd) => Number(fd) < 3).join(" "));
  rows.set("standard input", streams.find(([fd]) => fd === "0")?.[1] ?? "");
  rows.delete("first");
  rows.set("process 1", parts.kernel!.includes("first sh -c") ? "the program" : "something else");
  return rows;
}

/** The namespaces of a process of this machine. */
export function namespacesOf(pid: string | number): Namespaces {
  const folder = `/proc/${pid}/ns`;
  return Object.fromEntries(
    [...Deno.readDirSync(folder)].map(({ name }) => [name, Deno.readLinkSync(`${folder}/${name}`)]),
  );
}
