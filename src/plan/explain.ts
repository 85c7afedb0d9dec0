/**
 * Prints a plan as a shell script that does the same with the tutorial's own tools: tar, mount, unshare, pivot_root,
 * ip and iptables. Root can run it: the container's program gives the same output and exit code as `dhow run`.
 */
import { type Archive, unpack } from "./explain_archive.ts";
import { AFTER_PIVOT, explainChildStep, lastCommand } from "./explain_child.ts";
import { finish, type Firewalls, hostCommands, script } from "./explain_host.ts";
import { commandLine, comment, indent, quote } from "./shell.ts";
import type { ChildStep, HostStep, Join, NamespaceKind, Plan } from "./step.ts";

export interface Explanation {
  /** The command line that is explained, for the first line. */
  readonly title: string;
  /** The folder that holds all that the script makes. */
  readonly workFolder: string;
  /** Undefined when the image is unpacked already. */
  readonly archive: Archive | undefined;
  readonly plan: Plan;
  /** Of the plan's networks; absent for a plan without any. */
  readonly firewalls?: Firewalls;
  /** What the script does not do, in lines. */
  readonly remarks?: readonly string[];
}

/** @returns the script, for a POSIX shell with util-linux 2.38 and coreutils 8.31 or later */
export function explain({ title, workFolder, archive, plan, firewalls, remarks = [] }: Explanation): string {
  const start = plan.steps.find((step) => step.do === "start-child");
  if (start?.do !== "start-child") throw new Error("a plan starts a child");
  const pivot = start.steps.findIndex(({ op }) => op === "pivot-root") + 1;
  // a shell gets other ids only by executing another program
  const mapped = start.steps.findIndex(({ op }) => op === "become-root") + 1;
  const print = (steps: readonly HostStep[]) =>
    steps.flatMap((step) => [...comment(step.why), ...hostCommands(step, firewalls), ""]);
  const needsChild = (step: HostStep) =>
    ["map-ids", "ip", "join-bridge", "reflect", "serve-names", "release-child"].includes(step.do);
  const before = plan.steps.filter((step) => !needsChild(step) && step.do !== "start-child");
  return [
    "#!/bin/sh",
    `# ${title.replaceAll("\n", " ")}`,
    "set -eu",
    "umask 022",
    `work=${quote(workFolder)} # holds all that this script makes, and goes with it`,
    'tools="$work/tools"',
    "export work tools",
    "",
    ...finish(plan, firewalls),
    "",
    'mkdir -m 711 "$work"',
    'mkfifo "$work/ready" "$work/go"',
    ...(archive === undefined ? [] : unpack(archive, workFolder)),
    "",
    ...print(before),
    "# What the container's first process does before it becomes the program, as far as its new root,",
    ...script("init", ["set -eu", ...REFUSE_LINK, ...childCommands(start.steps.slice(0, mapped || pivot))]),
    ...(mapped === 0 ? [] : [
      "# with ids of its own,",
      ...script("mapped", [...REFUSE_LINK, ...childCommands(start.steps.slice(mapped, pivot))]),
    ]),
    "# and from there on.",
    ...script("last", [
      ...REFUSE_LINK,
      ...AFTER_PIVOT,
      ...childCommands(start.steps.slice(pivot)),
      ...lastCommand(start.steps),
    ]),
    "",
    "# What is done from outside, while that process waits: it says its pid when it does.",
    ...script("connect", [
      `trap 'echo failed >"$work/go"' EXIT`,
      'read -r child <"$work/ready"',
      ...print(plan.steps.filter(needsChild)),
      "trap - EXIT",
    ]),
    'sh -eu "$work/connect" &',
    "helper=$!",
    "",
    ...remarks.map((line) => `# ${line}`),
    ...comment(start.why),
    ...startCommands(plan, start.namespaces, start.joins ?? []),
    "exit $code",
    "",
  ].join("\n");
}

const REFUSE_LINK = [
  "# A link of the image would lead the commands below to another place of the host.",
  "refuse_link() {",
  '  [ ! -L "$1" ] || { echo "$1 of the image is a link" >&2; exit 125; }',
  "}",
];

function childCommands(steps: readonly ChildStep[]): string[] {
  return steps.flatMap((step) => {
    const commands = explainChildStep(step);
    return commands.length === 0 ? [] : [...comment(step.why), ...commands];
  });
}

function startCommands(
  plan: Plan,
  namespaces: readonly NamespaceKind[],
  joins: readonly Join[],
): string[] {
  const cgroups = plan.steps.flatMap((step) => step.do === "make-cgroups" ? step.folders : []);
  const sharesCgroups = !plan.steps.some((step) =>
    step.do === "start-child" && step.steps.some(({ op }) => op === "unshare-cgroup")
  );
  const hasOwnIds = plan.steps.some((step) => step.do === "hold-trees");
  const offsets = plan.steps.flatMap((step) =>
    step.do !== "start-child"
      ? []
      : step.steps.flatMap((each) =>
        each.op === "make-time-namespace"
          ? [`--monotonic=${each.monotonic}`, `--boottime=${each.boottime}`]
          : []
      )
  );
  const flags = [...namespaces.map((kind) => UNSHARE_FLAGS[kind]), ...offsets];
  return [
    "(",
    ...indent([
      ...cgroups.map(({ path, joinFile }) => `echo 0 >${quote(`${path}/${joinFile}`)}`),
      `exec ${
        commandLine(
          ...joins.flatMap(enter),
          "unshare",
          ...flags,
          // until its ids are mapped, a program that is executed would lose them
          ...(hasOwnIds ? ["--keep-caps"] : []),
          ...(sharesCgroups ? [] : ["--cgroup"]),
          "--fork",
          "--kill-child",
          "sh",
        )
      } "$work/init"`,
    ]),
    ") && code=0 || code=$?",
  ];
}

const ENTER_FLAGS = { network: "--net", ipc: "--ipc", pid: "--pid" } as const;

const enter = ({ kind, process }: Join) => ["nsenter", "--target", String(process.pid), ENTER_FLAGS[kind]];

const UNSHARE_FLAGS = {
  mount: "--mount",
  uts: "--uts",
  ipc: "--ipc",
  pid: "--pid",
  network: "--net",
  user: "--user",
  time: "--time",
} as const;
