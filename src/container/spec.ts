import { ImageError } from "../errors.ts";
import type { ImageConfig } from "../image/config.ts";
import { rlimitType } from "../plan/rlimits.ts";
import type { HiddenPaths } from "../security/hidden_paths.ts";
import { processCapabilities } from "../security/capabilities.ts";
import { isMapped, mappedFromZero } from "../security/id_mappings.ts";
import { cgroupName } from "../limits/cgroup.ts";
import type { Device, Mount, OciNamespace, Resources, Spec } from "../plan/oci.ts";
import type { ResolvedUser } from "../security/user.ts";
import type { Security } from "./security.ts";
import { joinedContainer, type RunOptions } from "./options.ts";

/** Where programs lie if the image does not say: docker's default. */
const DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

export interface SpecInput {
  readonly id: string;
  readonly hostname: string;
  readonly options: RunOptions;
  readonly config: ImageConfig;
  readonly user: ResolvedUser;
  /** RLIMIT_NOFILE as it was before Deno raised it. */
  readonly openFiles: { readonly soft: number; readonly hard: number };
  readonly rootPath: string;
  readonly mounts: readonly Mount[];
  /** What of the kernel it does not see, or cannot change. */
  readonly hidden: HiddenPaths;
  readonly security: Pick<Security, "capabilities" | "noNewPrivileges">;
  readonly resources: Resources;
  /** Besides those that every container has. */
  readonly devices: readonly Device[];
  /** The last gid that there is, in a user namespace; absent for the kernel's. */
  readonly lastGroup?: number | undefined;
  /** Whose uid and gid the container's root is on the host, with a user namespace. */
  readonly caller: { readonly uid: number; readonly gid: number };
}

export function shortId(id: string): string {
  return id.slice(0, 12);
}

/** docker's rule: what --hostname says; with the host's network the host's name; else the short id. */
export function hostnameOf(id: string, options: RunOptions, hostsOwn: () => string): string {
  return options.hostname ??
    (options.network === "host" || options.uts === "host" ? hostsOwn() : shortId(id));
}

/**
 * Puts image config and command line together, by docker's rules.
 * @throws {ImageError} when neither names a program to run
 */
export function makeSpec(input: SpecInput): Spec {
  const { id, hostname, options, config, user, caller } = input;
  const isShared = (mode: string) => mode === "host" || joinedContainer(mode) !== undefined;
  const ownNetwork = !isShared(options.network);
  const namespaces: OciNamespace[] = ["mount"];
  for (const type of ["uts", "ipc", "pid"] as const) if (!isShared(options[type])) namespaces.push(type);
  if (options.cgroupNamespace !== "host") namespaces.push("cgroup");
  if (ownNetwork) namespaces.push("network");
  if (options.userNamespace) namespaces.push("user");
  if (options.timeOffsets !== undefined) namespaces.push("time");
  const offset = (secs: number) => ({ secs, nanosecs: 0 as const });
  const callers = (hostID: number) => options.userNamespace ? [{ containerID: 0, hostID, size: 1 }] : [];
  return {
    ociVersion: "1.2.0",
    process: {
      terminal: options.terminal,
      user: {
        uid: user.uid,
        gid: user.gid,
        additionalGids: groupsInside(options, user),
      },
      args: commandLine(options, config),
      env: environment(options, config, hostname, user.home),
      cwd: options.workingDir ?? (config.workingDir || "/"),
      capabilities: processCapabilities(input.security.capabilities, user.uid),
      noNewPrivileges: input.security.noNewPrivileges,
      rlimits: [
        { type: "RLIMIT_NOFILE", ...input.openFiles },
        ...(options.rlimits ?? []).map(({ name, soft, hard }) => ({ type: rlimitType(name), soft, hard })),
      ],
      ...(options.oomScoreAdjustment === undefined ? {} : { oomScoreAdj: options.oomScoreAdjustment }),
    },
    root: { path: input.rootPath, readonly: options.readOnly === true },
    hostname,
    mounts: input.mounts,
    linux: {
      namespaces: namespaces.map((type) => ({ type })),
      uidMappings: options.ids?.uids ?? callers(caller.uid),
      gidMappings: options.ids?.gids ?? callers(caller.gid),
      ...(options.timeOffsets === undefined ? {} : {
        timeOffsets: {
          monotonic: offset(options.timeOffsets.monotonic),
          boottime: offset(options.timeOffsets.boottime),
        },
      }),
      sysctl: {
        ...(ownNetwork ? defaultSysctls(options, input.lastGroup) : {}),
        ...(options.domainName === undefined || options.uts === "host"
          ? {}
          : { "kernel.domainname": options.domainName }),
        ...options.sysctls,
      },
      ...input.hidden,
      cgroupsPath: cgroupName(id, options.cgroupParent),
      devices: input.devices,
      resources: input.resources,
    },
  };
}

/** The groups of a user, as far as they exist in its user namespace: one that maps its caller only has none besides. */
export function groupsInside(
  { userNamespace, ids }: Pick<RunOptions, "userNamespace" | "ids">,
  { additionalGids }: Pick<ResolvedUser, "additionalGids">,
): readonly number[] {
  if (!userNamespace) return additionalGids;
  return ids === undefined ? [] : additionalGids.filter((gid) => isMapped(ids.gids, gid));
}

/** So that a program can open port 80 and send pings without being root: docker's defaults since 20.10. */
function defaultSysctls(
  { userNamespace, ids }: Pick<RunOptions, "userNamespace" | "ids">,
  ofCaller = 2 ** 31 - 1,
): Readonly<Record<string, string>> {
  if (userNamespace && ids === undefined) return {};
  const lastGroup = ids === undefined ? ofCaller : mappedFromZero(ids.gids) - 1;
  return {
    "net.ipv4.ip_unprivileged_port_start": "0",
    "net.ipv4.ping_group_range": `0 ${lastGroup}`,
  };
}

function commandLine(options: RunOptions, config: ImageConfig): readonly string[] {
  const args = options.entrypoint === undefined
    ? [...config.entrypoint, ...(options.command.length > 0 ? options.command : config.cmd)]
    : [...(options.entrypoint === "" ? [] : [options.entrypoint]), ...options.command];
  if (args.length === 0 || args[0] === "") {
    throw new ImageError({
      what: `cannot run image ${JSON.stringify(options.image)}`,
      why: "it does not say which command to run",
      hint: "give one after the image's name",
    });
  }
  return args;
}

const variableName = (entry: string) => entry.slice(0, entry.indexOf("="));

/** Later ones replace earlier ones of the same name, in the earlier one's place. */
export function environment(
  options: Pick<RunOptions, "env" | "terminal">,
  config: Pick<ImageConfig, "env">,
  hostname: string,
  home: string,
): string[] {
  const defaults = [`PATH=${DEFAULT_PATH}`, `HOSTNAME=${hostname}`];
  if (options.terminal) defaults.push("TERM=xterm");
  const entries = new Map<string, string>();
  for (const entry of [...defaults, ...config.env]) {
    // an image may say anything; env(1) would take a word without "=" for the program to run
    if (entry.indexOf("=") > 0) entries.set(variableName(entry), entry);
  }
  for (const entry of options.env) {
    if (entry.includes("=")) entries.set(variableName(entry), entry);
    else entries.delete(entry);
  }
  if (!entries.has("HOME")) entries.set("HOME", `HOME=${home}`);
  return [...entries.values()];
}
