/** Steps on the host, and their undo, as the commands of a script of explain.ts. */
import { commandLine, document, indent, quote } from "./shell.ts";
import type { DeviceRule } from "./oci.ts";
import { reflectCommand } from "./links.ts";
import { type CgroupSetting, CHILD, HOST, type HostStep, type Owner, type Plan, type Undo } from "./step.ts";

/** The rules of a network, as commands. */
export interface FirewallScript {
  readonly make: readonly string[];
  /** What takes them away again, as far as they were made. */
  readonly remove: readonly string[];
  /** What those find in the script's own folder. */
  readonly files: Readonly<Record<string, readonly string[]>>;
  /** As those of the network, once the bridge is there. */
  readonly sysctls: readonly { readonly path: string; readonly value: string }[];
}

/** Of each network, by its bridge. */
export type Firewalls = Readonly<Record<string, FirewallScript>>;

/** A file in the script's own folder. */
export function script(name: string, lines: readonly string[]): string[] {
  return document(`cat >"$work/${name}"`, lines);
}

/** The commands that do a step; none for the child's start. */
export function hostCommands(step: HostStep, firewalls: Firewalls = {}): string[] {
  switch (step.do) {
    case "attach-loops":
      throw new Error("an image is explained with its layers unpacked");
    case "make-directory":
      return [
        `mkdir -p -m ${step.mode.toString(8)} ${quote(step.path)}`,
        ...(step.owner === undefined ? [] : [`${chown(step.owner)} ${quote(step.path)}`]),
      ];
    case "write-file":
      return [
        ...document(`cat >${quote(step.path)}`, step.text.replace(/\n$/, "").split("\n")),
        ...(step.owner === undefined ? [] : [`${chown(step.owner)} ${quote(step.path)}`]),
      ];
    case "hold-trees": {
      const stage = step.trees.find((tree) => tree.kind === "stage")?.folders ?? [];
      const links = step.trees.flatMap((tree) =>
        tree.kind === "folder" && stage.includes(tree.name)
          ? [`ln -s ${quote(tree.source)} "$work/stage/"${quote(tree.name)}`]
          : []
      );
      return [
        "# (dhow has descriptors; in this script the container's root may pass through the folders itself)",
        'mkdir -p "$work/stage/merged"',
        ...links,
        `${chown(step.owner)} "$work" "$work/stage/merged"`,
        'chmod 666 "$work/ready" # before it becomes root there, it is nobody',
      ];
    }
    case "make-cgroups":
      return [
        ...(step.parents ?? []).flatMap(({ path, settings }) => [
          commandLine("mkdir", "-p", path),
          ...settings.map((setting) => settingCommand(path, setting)),
        ]),
        ...step.folders.flatMap(({ path, settings }) => [
          commandLine("mkdir", path),
          ...settings.map((setting) => settingCommand(path, setting)),
        ]),
      ];
    case "filter-devices":
      return [
        "# (dhow allows it here, by a small eBPF program, no more than what follows; a shell has no tool for that)",
        ...step.rules.map((rule) => `#   ${describeRule(rule)}`),
      ];
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
        ...(step.copies === undefined ? [] : copyImage(step.copies)),
        'echo go >"$work/go"',
        'read -r child <"$work/ready"',
      ];
    }
    case "make-network": {
      const { bridge, bridgeCommands, sysctls } = step.setup;
      const firewall = firewalls[bridge];
      if (firewall === undefined) throw new Error("a network is explained with its firewall");
      return [
        ...Object.entries(firewall.files).flatMap(([name, lines]) => script(name, lines)),
        ...bridgeCommands.map((command) => `ip ${command}`),
        ...firewall.make,
        ...[...sysctls, ...firewall.sysctls].map(({ path, value }) =>
          `[ ! -e ${path} ] || [ "$(cat ${path})" = ${value} ] || set_back ${path} ${value}`
        ),
      ];
    }
    case "ip": {
      const enter = step.namespace === "host" ? "" : 'nsenter --target "$child" --net ';
      return [
        ...step.commands.map((command) =>
          `${enter}ip ${command.replaceAll(CHILD, '"$child"').replaceAll(HOST, () => "$$")}`
        ),
        ...(step.sysctls ?? []).map(({ path, value }) =>
          `${enter}sh -c '[ ! -e ${path} ] || echo ${value} >${path}'`
        ),
      ];
    }
    case "join-bridge":
      return [`ip link set ${step.link} master ${step.bridge} up`];
    case "reflect":
      return step.links.map((link) => `ip ${reflectCommand(link)}`);
    case "connect-user":
    case "mount-fuse-overlay":
      throw new Error("what root does is explained, who has a bridge, and the kernel's overlay");
    case "serve-names": {
      const { hosts, names, resolvConf, servers } = step.instead;
      const write = (lines: readonly string[], to: string) =>
        lines.length === 0 ? `: ${to}` : `printf '%s\\n' ${commandLine(...lines)} ${to}`;
      return [
        "# (dhow has a server for them, which also knows containers that start later; here is what is known now)",
        write(names.map(({ address, names }) => `${address}\t${names.join(" ")}`), `>>${quote(hosts)}`),
        write(servers.map((server) => `nameserver ${server}`), `>${quote(resolvConf)}`),
      ];
    }
    case "release-child":
      return ['echo go >"$work/go"'];
  }
}

const chown = ({ uid, gid }: Owner) => `chown ${uid}:${gid}`;

/**
 * Copies an image for the container's ids: who reads it is root of the host, who writes it is root of the container's user namespace.
 * Overlay wants two layers at least.
 */
function copyImage({ layers, target }: { layers: readonly string[]; target: string }): string[] {
  const [first = "/"] = layers;
  const names = layers.map((layer) => layer.slice(layer.lastIndexOf("/") + 1));
  const kept = "--xattrs --xattrs-include='user.*' --xattrs-include='security.capability'";
  const lower = quote(`lowerdir=${names.join(":")}`);
  return [
    'mkdir "$work/plain" "$work/empty"',
    `( ${commandLine("cd", first.slice(0, first.lastIndexOf("/")))}`,
    `  unshare --mount sh -euc 'mount -t overlay overlay -o "$1:$work/empty" "$work/plain"`,
    `    tar -C "$work/plain" ${kept.replaceAll("'", `"`)} -c .' sh ${lower} ) |`,
    `  nsenter --target "$child" --user tar -C ${quote(target)} ${kept} -xp`,
  ];
}

/** What to do at the script's end, however it comes: the plan's undo, last first. */
export function finish(plan: Plan, firewalls: Firewalls = {}): string[] {
  const bridges = plan.steps.flatMap((step) => step.do === "make-network" ? [step.setup.bridge] : []);
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
      ...bridges.flatMap((bridge) => [
        `ip link delete ${bridge} 2>/dev/null || true`,
        ...firewalls[bridge]?.remove ?? [],
      ]),
      ...(bridges.length === 0 ? [] : [
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

/** The command that writes a file of a cgroup. */
function settingCommand(path: string, { file, value, orElse, mayLack }: CgroupSetting): string {
  const write = (setting: { file: string; value: string }) =>
    `echo ${quote(setting.value)} >${quote(`${path}/${setting.file}`)}`;
  const ifThere = (setting: { file: string; value: string }) =>
    `[ ! -e ${quote(`${path}/${setting.file}`)} ] || ${write(setting)}`;
  if (orElse !== undefined) {
    return `if [ -e ${quote(`${path}/${file}`)} ]; then ${write({ file, value })}; else ${
      mayLack === undefined ? write(orElse) : ifThere(orElse)
    }; fi`;
  }
  return mayLack === undefined ? write({ file, value }) : ifThere({ file, value });
}

function describeRule({ allow, type, major, minor, access }: DeviceRule): string {
  return `${allow ? "allow" : "deny"} ${
    type === "a" ? "all" : `${type} ${major ?? "*"}:${minor ?? "*"} ${access}`
  }`;
}

function undoCommands(undo: Undo): string[] {
  switch (undo.undo) {
    case "remove-cgroups":
    case "remove-empty-cgroups":
      return undo.folders.map((path) => `rmdir ${quote(path)} 2>/dev/null || true`);
    case "release-volumes": // a script has none
    case "delete-link": // goes with the container's network namespace
    case "remove-tree": // below the script's own folder
    case "forget-names": // a script has no name server
    case "unpublish-ports": // with the rules of its bridge
    case "kill":
    case "end-fuse-overlay":
      return [];
  }
}
