/**
 * Prints a plan as a shell script that does the same with the tutorial's own tools: tar, mount, unshare, pivot_root,
 * ip and iptables. Root can run it: the container's program gives the same output and exit code as `dhow run`.
 */
import { AFTER_PIVOT, explainChildStep, lastCommand } from "./explain_child.ts";
import { commandLine, indent, quote } from "./shell.ts";
import {
  CHILD,
  type ChildStep,
  type HostStep,
  type Join,
  type NamespaceKind,
  type Plan,
  type Undo,
} from "./step.ts";

/** A layer that the script has to unpack, because the store does not have it unpacked. */
export interface ArchivedLayer {
  /** Its name in the archive. */
  readonly name: string;
  /** The folder to unpack it into. */
  readonly folder: string;
}

export interface Archive {
  /** May be compressed as a whole. */
  readonly path: string;
  /** Whether its layers lie in a folder already. */
  readonly isFolder: boolean;
  /** Lowest first. */
  readonly layers: readonly ArchivedLayer[];
}

export interface Explanation {
  /** The command line that is explained, for the first line. */
  readonly title: string;
  /** The folder that holds all that the script makes. */
  readonly workFolder: string;
  /** Undefined when the image is unpacked already. */
  readonly archive: Archive | undefined;
  readonly plan: Plan;
}

/** @returns the script, for a POSIX shell with util-linux 2.38 and coreutils 8.31 or later */
export function explain({ title, workFolder, archive, plan }: Explanation): string {
  const start = plan.steps.find((step) => step.do === "start-child");
  if (start?.do !== "start-child") throw new Error("a plan starts a child");
  const pivot = start.steps.findIndex(({ op }) => op === "pivot-root") + 1;
  const print = (steps: readonly HostStep[]) =>
    steps.flatMap((step) => [...comment(step.why), ...hostCommands(step), ""]);
  const needsChild = (step: HostStep) =>
    step.do === "map-ids" || step.do === "ip" || step.do === "release-child";
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
    ...finish(plan),
    "",
    'mkdir -m 711 "$work"',
    'mkfifo "$work/ready" "$work/go"',
    ...(archive === undefined ? [] : unpack(archive, workFolder)),
    "",
    ...print(before),
    "# What the container's first process does before it becomes the program, as far as its new root,",
    ...script("init", ["set -eu", ...REFUSE_LINK, ...childCommands(start.steps.slice(0, pivot))]),
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

function comment(why: string): string[] {
  return [`# ${why[0]?.toUpperCase()}${why.slice(1)}.`];
}

function script(name: string, lines: readonly string[]): string[] {
  return document(`cat >"$work/${name}"`, lines);
}

/** A here-document. What ends it is a line that it does not have itself: else an image could end it, and go on in sh. */
function document(command: string, lines: readonly string[]): string[] {
  const taken = new Set(lines.flatMap((line) => line.split("\n")));
  let end = "END";
  for (let number = 2; taken.has(end); number++) end = `END${number}`;
  return [`${command} <<'${end}'`, ...lines, end];
}

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
  const flags = namespaces.map((kind) => UNSHARE_FLAGS[kind]);
  return [
    "(",
    ...indent([
      ...cgroups.map(({ path, joinFile }) => `echo 0 >${quote(`${path}/${joinFile}`)}`),
      `exec ${
        commandLine(...joins.flatMap(enter), "unshare", ...flags, "--cgroup", "--fork", "--kill-child", "sh")
      } "$work/init"`,
    ]),
    ") && code=0 || code=$?",
  ];
}

const ENTER_FLAGS = { network: "--net", ipc: "--ipc", pid: "--pid" } as const;

const enter = ({ kind, process }: Join) => ["nsenter", "--target", String(process.pid), ENTER_FLAGS[kind]];

/**
 * GNU tar does what docker does, but for whiteouts, which are then turned into overlay's own. It sees by itself what is
 * compressed with gzip or zstd.
 */
function unpack({ path, isFolder, layers }: Archive, workFolder: string): string[] {
  const image = isFolder ? path : `${workFolder}/image`;
  const unpackArchive = [commandLine("mkdir", image), commandLine("tar", "-xf", path, "-C", image)];
  return [
    "",
    `# Unpack ${isFolder ? "" : "the archive, and "}each layer of the image into a folder of its own.`,
    ...(isFolder ? [] : unpackArchive),
    "unpack_layer() {",
    '  mkdir -p "$2"',
    "  # Attributes with overlay's own names would tell it what only this script may tell it.",
    "  tar --numeric-owner --same-permissions --delay-directory-restore \\",
    "    --xattrs --xattrs-include='*' --xattrs-exclude='trusted.overlay.*' --xattrs-exclude='user.overlay.*' \\",
    '    -xf "$1" -C "$2"',
    "  # What a layer deletes it names .wh.NAME; overlay wants a device 0/0 called NAME instead.",
    "  find \"$2\" -name '.wh.*' ! -name '.wh..wh.*' -exec sh -ec '",
    "    for mark; do",
    "      name=${mark%/*}/${mark##*/.wh.}",
    '      rm "$mark"; [ -e "$name" ] || [ -L "$name" ] || mknod "$name" c 0 0',
    "    done' sh {} +",
    "  # A folder that hides what is below it holds .wh..wh..opq; overlay wants an attribute.",
    "  find \"$2\" -name '.wh..wh..opq' -exec sh -ec '",
    "    for mark; do",
    '      rm "$mark"; setfattr -n trusted.overlay.opaque -v y "${mark%/*}"',
    "      # (in a user namespace overlay looks at this one)",
    '      setfattr -n user.overlay.opaque -v y "${mark%/*}" || true',
    "    done' sh {} +",
    "}",
    ...layers.map(({ name, folder }) => commandLine("unpack_layer", `${image}/${name}`, folder)),
  ];
}

const UNSHARE_FLAGS = {
  mount: "--mount",
  uts: "--uts",
  ipc: "--ipc",
  pid: "--pid",
  network: "--net",
  user: "--user",
} as const;

function hostCommands(step: HostStep): string[] {
  switch (step.do) {
    case "attach-loops":
      throw new Error("an image is explained with its layers unpacked");
    case "make-directory":
      return [`mkdir -p -m ${step.mode.toString(8)} ${quote(step.path)}`];
    case "write-file":
      return document(`cat >${quote(step.path)}`, step.text.replace(/\n$/, "").split("\n"));
    case "make-cgroups":
      return step.folders.flatMap(({ path, settings }) => [
        commandLine("mkdir", path),
        ...settings.map(({ file, value }) => `echo ${quote(value)} >${quote(`${path}/${file}`)}`),
      ]);
    case "start-child":
      return [];
    case "map-ids": {
      const map = (mappings: typeof step.uids, file: string) => {
        const rows = mappings.map(({ containerID, hostID, size }) => `${containerID} ${hostID} ${size}`);
        return `printf '%s\\n' ${commandLine(...rows)} >"/proc/$child/${file}"`;
      };
      return [
        map(step.uids, "uid_map"),
        map(step.gids, "gid_map"),
        'echo go >"$work/go"',
        'read -r child <"$work/ready"',
      ];
    }
    case "make-network": {
      const { bridgeCommands, rules, sysctls } = step.setup;
      return [
        ...script("rules-to-remove", removal(rules)),
        ...bridgeCommands.map((command) => `ip ${command}`),
        "iptables-restore -w --noflush <<'END'",
        ...rules.trimEnd().split("\n"),
        "END",
        ...sysctls.map(({ path, value }) =>
          `[ ! -e ${path} ] || [ "$(cat ${path})" = ${value} ] || set_back ${path} ${value}`
        ),
      ];
    }
    case "ip": {
      const enter = step.namespace === "host" ? "" : 'nsenter --target "$child" --net ';
      return step.commands.map((command) => `${enter}ip ${command.replaceAll(CHILD, '"$child"')}`);
    }
    case "release-child":
      return ['echo go >"$work/go"'];
  }
}

/** What to do at the script's end, however it comes: the plan's undo, last first. */
function finish(plan: Plan): string[] {
  const network = plan.steps.flatMap((step) => step.do === "make-network" ? [step.setup] : [])[0];
  const undo = plan.undo.toReversed().flatMap(undoCommands);
  return [
    'changed=""',
    "# Changes a setting of the kernel until this script ends.",
    "set_back() {",
    '  changed="$changed $1=$(cat "$1")"',
    '  echo "$2" >"$1"',
    "}",
    "finish() {",
    ...indent([
      "trap - EXIT",
      "# it may wait for a partner, and some shells would do so once more in its own trap",
      '[ -z "${helper:-}" ] || kill -KILL "$helper" 2>/dev/null || true',
      ...(network === undefined ? [] : [
        `ip link delete ${network.bridge} 2>/dev/null || true`,
        'iptables-restore -w --noflush <"$work/rules-to-remove" 2>/dev/null || true',
        'for entry in $changed; do [ ! -e "${entry%%=*}" ] || echo "${entry#*=}" >"${entry%%=*}"; done',
      ]),
      ...undo,
      'rm -rf "$work"',
    ]),
    "}",
    "trap finish EXIT",
    "trap 'exit 129' HUP; trap 'exit 130' INT; trap 'exit 143' TERM",
  ];
}

/** The reverse of rules in iptables-restore's form. */
function removal(rules: string): string[] {
  return rules.trimEnd().split("\n").flatMap((line) => {
    const chain = /^:(\S+)/.exec(line)?.[1];
    if (line.startsWith("*") || line === "COMMIT") return [line];
    if (line.startsWith("-I ")) return [`-D${line.slice(2)}`];
    return chain === undefined ? [] : [`-F ${chain}`];
  }).flatMap((line) => line.startsWith("-D") ? [line, `-X ${line.split(" ").at(-1)}`] : [line]);
}

function undoCommands(undo: Undo): string[] {
  switch (undo.undo) {
    case "remove-cgroups":
      return undo.folders.map((path) => `rmdir ${quote(path)} 2>/dev/null || true`);
    case "release-volumes": // a script has none
    case "delete-link": // goes with the container's network namespace
    case "remove-tree": // below the script's own folder
    case "kill":
      return [];
  }
}
