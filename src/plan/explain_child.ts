/**
 * The child's steps as the shell commands of its init script. The order is the same; where dhow works on descriptors,
 * the script works on paths, as the tutorial does, after it has looked that no link of the image is in the way.
 */
import { commandLine, quote } from "./shell.ts";
import { type ChildStep, overlayOptions } from "./step.ts";

/** Where the container's root is while it is being made. */
const ROOT = "$root";

const READ_ONLY = "remount,bind,ro,nosuid,noexec";

const inside = (path: string) => `"${ROOT}"${quote(path)}`;

/** Folders of a path, from the top: /a/b/c gives /a and /a/b. */
function foldersAbove(path: string): string[] {
  const names = path.split("/").filter((name) => name !== "").slice(0, -1);
  return names.map((_, index) => `/${names.slice(0, index + 1).join("/")}`);
}

function mountOptions(
  attributes: readonly string[],
  options: readonly (readonly [string, string])[],
): string {
  const words = [...attributes, ...options.map(([key, value]) => value === "" ? key : `${key}=${value}`)];
  return words.length === 0 ? "defaults" : words.join(",");
}

/** One step's commands. The last three steps make one command together: see `lastCommand`. */
export function explainChildStep(step: ChildStep): string[] {
  switch (step.op) {
    case "await-id-mapping":
    case "await-release":
      // its pid on the host is what the host's /proc, which is still mounted, calls it
      return [
        "read -r pid _ </proc/self/stat",
        'echo "$pid" >"$work/ready"',
        'read -r answer <"$work/go"',
        '[ "$answer" = go ] || exit 125',
      ];
    case "become-root":
      return ['exec setpriv --reuid=0 --regid=0 --clear-groups sh -eu "$work/mapped"'];
    case "mount-held":
      throw new Error("what root does is explained, who has the kernel's overlay");
    case "set-stage":
      return ['cd "$work/stage"'];
    case "take-held":
      return ["# (this script finds it by its path)"];
    case "join-namespaces":
      return ["# (done already: nsenter has joined them)"];
    case "take-shared-memory":
      return ["# (dhow holds the other's /dev/shm here; this script finds it by its process)"];
    case "make-time-namespace":
      return ["# (done already: unshare has made it, with its offsets)"];
    case "make-mounts-private":
      return ["mount --make-rprivate /"];
    case "mount-index":
      throw new Error("an image is explained with its layers unpacked");
    case "mount-overlay":
      return [
        commandLine("cd", step.layersFolder),
        commandLine("mount", "-t", "overlay", "overlay", "-o", overlayOptions(step), step.target),
      ];
    case "open-root":
      return [`root=${step.path.startsWith("/") ? "" : '"$PWD/"'}${quote(step.path)}`];
    case "mount": {
      const options = mountOptions(step.attributes, step.options);
      const checked = step.followsLinks === true ? `${step.inRoot}/x` : step.inRoot;
      const guard = step.followsLinks === true
        ? foldersAbove(checked).map((folder) => `refuse_link ${inside(folder)}`)
        : foldersAbove(step.inRoot).length === 0
        ? [`refuse_link ${inside(step.inRoot)}`]
        : [];
      return [
        ...guard,
        `mkdir -p ${inside(step.inRoot)}`,
        `${commandLine("mount", "-t", step.type, "-o", options, step.type)} ${inside(step.inRoot)}`,
      ];
    }
    case "mask": {
      const target = inside(step.inRoot);
      if (step.cover === "folder") {
        return [`[ ! -d ${target} ] || mount -t tmpfs -o ro,nosuid,nodev,noexec tmpfs ${target}`];
      }
      return step.cover === "own-null"
        ? [`[ ! -e ${target} ] || mount --bind ${inside("/dev/null")} ${target}`]
        : [`[ ! -e ${target} ] || { mount --bind /dev/null ${target}; mount -o ${READ_ONLY} ${target}; }`];
    }
    case "make-read-only": {
      const target = inside(step.inRoot);
      if (step.isMounted === true) return [`mount -o ${READ_ONLY},nodev ${target}`];
      return [
        `[ ! -e ${target} ] || { mount --rbind ${target} ${target}; mount -o ${READ_ONLY},nodev ${target}; }`,
      ];
    }
    case "make-directory":
      return [`mkdir -p -m ${step.mode.toString(8)} ${inside(step.inRoot)}`];
    case "make-device":
      return [
        ...(step.followsLinks === undefined ? [] : foldersAbove(step.inRoot).flatMap((folder) => [
          `refuse_link ${inside(folder)}`,
          `mkdir -p ${inside(folder)}`,
        ])),
        `mknod -m ${step.mode.toString(8)} ${inside(step.inRoot)} ${step.type} ${step.major} ${step.minor}`,
        ...(step.owner === undefined
          ? []
          : [`chown ${step.owner.uid}:${step.owner.gid} ${inside(step.inRoot)}`]),
      ];
    case "make-symlink":
      return [`ln -s ${quote(step.target)} ${inside(step.inRoot)}`];
    case "open-source":
      return [
        `# (dhow holds ${JSON.stringify(step.source)} here, to share later mounts with it; a script cannot)`,
      ];
    case "fill-volume": {
      const folder = inside(step.inRoot);
      const source = quote(step.source);
      return [
        ...foldersAbove(`${step.inRoot}/x`).map((above) => `refuse_link ${inside(above)}`),
        `[ -n "$(ls -A ${source})" ] || [ ! -d ${folder} ] || cp -a ${folder}/. ${source}`,
      ];
    }
    case "bind": {
      const target = inside(step.inRoot);
      const guards = foldersAbove(step.inRoot).flatMap((folder) => [
        `refuse_link ${inside(folder)}`,
        `mkdir -p ${inside(folder)}`,
      ]);
      const replace = step.replacesLink ? [`rm ${target}`] : [];
      const guard = `refuse_link ${target}`;
      const place = step.kind === "file"
        ? [...replace, guard, `touch ${target}`]
        : [guard, `mkdir -p ${target}`];
      const bind = `mount ${step.recursive ? "--rbind" : "--bind"} ${quote(step.source)} ${target}`;
      const attributes = step.attributes.length === 0
        ? []
        : [`mount -o remount,bind,${step.attributes.join(",")} ${target}`];
      const isInFreshFolder = step.inRoot.startsWith("/dev/");
      const fresh = step.kind === "file" ? `touch ${target}` : `mkdir -p ${target}`;
      return [...(isInFreshFolder ? [fresh] : [...guards, ...place]), bind, ...attributes];
    }
    case "set-sysctl":
      return [`echo ${quote(step.value)} >${quote(`/proc/sys/${step.key.replaceAll(".", "/")}`)}`];
    case "adjust-oom-score":
      return [`echo ${step.score} >/proc/self/oom_score_adj # of echo, which is this shell itself`];
    case "protect-root":
      // on the folder that it is in: the container's root is not this shell's own
      return ["mount --no-canonicalize -o remount,bind,ro none ."];
    case "set-limits": {
      const value = (limit: number) => limit === -1 ? "unlimited" : limit;
      const limits = step.limits.map(({ name, soft, hard }) => `--${name}=${value(soft)}:${value(hard)}`);
      return [`prlimit --pid=$$ ${commandLine(...limits)}`];
    }
    case "loopback-up":
      return ["ip link set lo up"];
    case "set-hostname":
      return [commandLine("hostname", step.hostname)];
    case "open-terminal":
      return ["# (dhow opens a terminal in the container's /dev/pts here; this script keeps the one it has)"];
    case "take-terminal":
    case "new-session":
      return ["# (dhow does this with setsid, ioctl and keyctl; this script stays in its session)"];
    case "join-cgroups":
    case "unshare-cgroup":
      return ["# (done already: this process was in its cgroups before unshare --cgroup)"];
    case "close-input":
      return ["exec </dev/null"];
    case "take-input":
    case "take-output":
      return ["# (a detached container's pipes: a script has nobody to read them)"];
    case "pivot-root":
      return PIVOT;
    case "reset-process":
      return ["umask 022", `ulimit -Sn ${step.openFiles.soft}`];
    case "change-directory":
      return makeMissing(foldersAbove(`${step.path}/x`));
    case "load-filter":
      return ["# (dhow has the kernel filter system calls from here on; the tutorial's tools cannot)"];
    case "drop-bounding-set":
    case "set-capabilities":
    case "forbid-new-privileges":
    case "set-user":
    case "execute":
      return [];
  }
}

/** A link of the image is not followed here, on the host: unshare's --wd does that, inside. */
function makeMissing(folders: readonly string[]): string[] {
  if (folders.length === 0) return [];
  return [
    `for folder in ${folders.map((folder) => `.${quote(folder)}`).join(" ")}; do`,
    `  [ ! -L "$folder" ] || break`,
    `  [ -d "$folder" ] || mkdir "$folder"`,
    `done`,
  ];
}

/**
 * pivot_root(8) takes the host's programs away with the host's root. So this shell first moves into a second view of
 * the host's tree, which it keeps until its last command.
 */
const PIVOT = [
  `exec 7</ 8<"$root" # descriptors of the host's root and of the container's`,
  `mkdir "$tools" "$root/.pivot_root"`,
  `mount --rbind / "$tools"`,
  "export root",
  `exec chroot "$tools" sh -eu "$work/last"`,
];

/** The first lines of the script that goes on after PIVOT. */
export const AFTER_PIVOT = [
  `chroot /proc/self/fd/7 pivot_root "$root" "$root/.pivot_root"`,
  `cd -P /proc/self/fd/8 2>/dev/null # it lies outside of this shell's own root, which cd remarks on`,
  `umount -l /proc/self/fd/8/.pivot_root`,
  `rmdir .pivot_root`,
  `exec 7<&- 8<&-`,
];

/** What unshare(1) needs after setpriv(1) has taken the others away. */
const FOR_LAST_COMMAND = ["CAP_SYS_CHROOT", "CAP_SETUID"];

function boundingSet(keeps: readonly string[]): string {
  const names = new Set([...keeps, ...FOR_LAST_COMMAND]);
  return ["-all", ...[...names].map((name) => `+${name.slice("CAP_".length).toLowerCase()}`)].join(",");
}

/** What becomes the program: its variables, user, root and working directory, in one chain of commands. */
export function lastCommand(steps: readonly ChildStep[]): string[] {
  const find = <K extends ChildStep["op"]>(op: K) =>
    steps.find((step): step is Extract<ChildStep, { op: K }> => step.op === op);
  const user = find("set-user");
  const program = find("execute");
  const folder = find("change-directory");
  if (user === undefined || program === undefined || folder === undefined) {
    throw new Error("a plan for a child ends with change-directory, set-user and execute");
  }
  const init = program.init
    ? [
      "# (dhow becomes an init here that starts the program as its child; in this script it is process 1 itself)",
    ]
    : [];
  const bounding = find("drop-bounding-set");
  const limits = [
    ...(bounding === undefined ? [] : [`--bounding-set=${boundingSet(bounding.keeps)}`, "--inh-caps=-all"]),
    ...(find("forbid-new-privileges") === undefined ? [] : ["--no-new-privs"]),
  ];
  const groups = user.groups === undefined
    ? ["--keep-groups"]
    : user.groups.length === 0
    ? ["--clear-groups"]
    : [`--groups=${user.groups.join(",")}`];
  return [
    ...init,
    `setpriv=$(command -v setpriv) unshare=$(command -v unshare)`,
    `exec env -i --default-signal ${program.env.map(quote).join(" ")} \\`,
    `  "$setpriv" ${commandLine(`--regid=${user.gid}`, ...groups, ...limits)} \\`,
    `  "$unshare" --root=. ${commandLine(`--wd=${folder.path}`, `--setuid=${user.uid}`)} -- ${
      commandLine(...program.args)
    }`,
  ];
}
