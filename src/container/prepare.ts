import { pathExists } from "../../ffi/files.ts";
import type { ImageConfig } from "../image/config.ts";
import { type CgroupLayout, cgroupLayout } from "../limits/cgroup.ts";
import { USUAL_DEVICES } from "../limits/devices.ts";
import { log } from "../log.ts";
import type { Endpoint } from "../network/network.ts";
import type { PublishedPort } from "../network/ports.ts";
import { hostNetwork } from "../network/host_routes.ts";
import { isUserNetwork, type UserNetwork } from "../network/user_network.ts";
import { findProgram } from "../plan/program.ts";
import { HostError } from "../errors.ts";
import type { Mount } from "../plan/oci.ts";
import type { IdMethod, Join, MonitorSetup, Plan } from "../plan/step.ts";
import { arrangeMounts, defaultMounts, TTY_GROUP, withoutWriting } from "../rootfs/mounts.ts";
import { requireFuseOverlayfs } from "../rootfs/fuse_overlay.ts";
import type { Lower } from "../rootfs/overlay.ts";
import { hiddenPaths } from "../security/hidden_paths.ts";
import { isMapped, mappedFromZero } from "../security/id_mappings.ts";
import { resolveUser, withGroups } from "../security/user.ts";
import { containerRun, containerState, type Paths } from "../state/paths.ts";
import { changedSignals, etcFiles, openFilesLimit } from "./host.ts";
import type { RunOptions } from "./options.ts";
import { copiedImage, copyOfScript } from "./copied_image.ts";
import { findSources, volumesToFill } from "./mount_sources.ts";
import type { ContainerMount } from "./mounts.ts";
import { makePlan, sharedMemoryOf } from "./plan.ts";
import type { Security } from "./security.ts";
import { hostnameOf, makeSpec } from "./spec.ts";
import { ownNamespace } from "../state/user_namespace.ts";
import { canUseCgroup, possibleUser, warnOfNoLimits } from "./user_namespace.ts";

/** Of an ordinary user's container where no cgroup is the user's to make others in. */
const NO_CGROUPS: CgroupLayout = { version: 2, parents: [], folders: [], devices: undefined };

/** What knows of names; undefined where it is not needed. */
export type Naming = typeof import("./naming.ts") | undefined;

/** An image as a container's start needs it. */
export interface RunnableImage {
  readonly config: ImageConfig;
  readonly lower: Lower;
  readonly etc: ImageEtc;
}

/** What a start needs to know of an image's /etc. */
export interface ImageEtc {
  /** The texts of its passwd and group; empty when it has none. */
  readonly passwd: string;
  readonly group: string;
  /** Which of CONTAINER_FILES are symlinks. */
  readonly links: readonly string[];
}

/** What a start needs to know of containers whose namespaces are joined. */
export interface PartnersOfStart {
  readonly joins: readonly Join[];
  /** Files of /etc of the one whose network it has, by their paths in the container; undefined when it has its own. */
  readonly files: Readonly<Record<string, string>> | undefined;
}

/** Asks the host and the image for all that a plan depends on, changes nothing, and makes the plan. */
export function prepare(
  {
    id,
    options,
    image,
    endpoints,
    ports = [],
    naming,
    known = [],
    paths,
    security,
    monitor,
    mounts: own = [],
    fillsVolumes = false,
    partners,
    ownParents,
    limiting,
    idMethod,
  }: {
    id: string;
    options: RunOptions;
    image: RunnableImage;
    endpoints: readonly Endpoint[];
    /** What knows of names, if it may be in a network of a user's. */
    naming?: Naming;
    /** For a script: others that it is to find by their names. */
    known?: Parameters<NonNullable<Naming>["nameStep"]>[5];
    /** Those of the host that lead to it. Absent for none. */
    ports?: readonly PublishedPort[];
    paths: Paths;
    /** What securityOf has found for the options. */
    security: Security;
    /** Of a container that stays when it has ended; undefined for one that dhow waits for, and removes. */
    monitor?: MonitorSetup;
    /** What it has mounted besides the usual. */
    mounts?: readonly ContainerMount[];
    /** For a script: whether the plan itself fills volumes, and copies an image for other ids. */
    fillsVolumes?: boolean;
    /** Of one that joins namespaces of others. */
    partners?: PartnersOfStart | undefined;
    /** Those of cgroups above that dhow has made for others. Absent for none. */
    ownParents?: ReadonlySet<string>;
    /** Absent for one that isLimited says nothing of. */
    limiting?: typeof import("./limiting.ts") | undefined;
    /** Of one with ids of its own. */
    idMethod?: IdMethod | undefined;
  },
): Plan {
  const runFolder = containerRun(paths, id);
  const limits = limiting?.resourcesOf(options.limits ?? {}) ?? {};
  const parent = options.cgroupParent;
  const namespace = ownNamespace();
  const { cgroupBase: base } = options;
  const mountinfo = Deno.readTextFileSync("/proc/self/mountinfo");
  const layout = () =>
    cgroupLayout(mountinfo, id, Deno.readTextFileSync, {
      ...(parent === undefined ? {} : { parent }),
      ...(base === undefined ? {} : { base }),
      ...limiting?.wishesOf(limits),
    });
  // the kernel keeps an ordinary user from devices, and lets only root keep others from them
  const isOutside = namespace !== undefined && !canUseCgroup(options);
  if (isOutside && options.limits !== undefined) warnOfNoLimits();
  const cgroups = namespace === undefined
    ? layout()
    : isOutside
    ? NO_CGROUPS
    : { ...layout(), devices: undefined };
  if (cgroups.devices === undefined && namespace === undefined) {
    log.warn(
      "cannot keep the container from the host's devices: no cgroup hierarchy has the controller devices",
    );
  }
  const { devices, mounts: ofDevices, rules } =
    limiting?.findDevices({ ...options, userNamespace: options.userNamespace || namespace !== undefined }) ??
      { devices: [], mounts: [], rules: USUAL_DEVICES };
  const { passwd, group } = image.etc;
  const user = withGroups(
    resolveUser(options.user ?? image.config.user, passwd, group),
    options.groups,
    group,
  );
  // one with a user namespace has users of its own
  const { additionalGids } = options.userNamespace ? user : possibleUser(user);
  const hostname = hostnameOf(id, options, Deno.hostname);
  const privileged = options.security?.privileged ?? false;
  const named = naming?.isNamed(endpoints) ? naming : undefined;
  const { joins = [], files: shared } = partners ?? {};
  const files = shared === undefined
    ? etcFiles(hostname, named?.namedOptions(options) ?? options, endpoints)
    : {};
  const sources = findSources(own, paths);
  const usual = defaultMounts({
    files: shared ?? Object.fromEntries(Object.keys(files).map((path) => [path, runFolder + path])),
    hasOwnNetwork: options.network !== "host",
    hasOwnProcesses: options.pid !== "host",
    hasOwnCgroups: options.cgroupNamespace !== "host",
    hasOwnQueues: options.ipc !== "host",
    inUserNamespace: options.userNamespace || namespace !== undefined,
    hasTtyGroup: options.userNamespace
      ? isMapped(options.ids?.gids ?? [], TTY_GROUP)
      : namespace === undefined || isMapped(namespace.gids, TTY_GROUP),
    cgroupVersion: cgroups.version,
    sharedMemory: sharedMemory(options.ipc, joins),
    privileged,
    // programs that look how much they may use look there
    ...(limiting !== undefined &&
        (privileged || (options.limits !== undefined && options.cgroupNamespace !== "host"))
      ? { hierarchies: limiting.cgroupMountsV1(mountinfo) }
      : {}),
    ...(options.sharedMemorySize === undefined ? {} : { sharedMemorySize: options.sharedMemorySize }),
  });
  // what the user has mounted as /dev stays as it is
  const isInUsersDev = (path: string) =>
    path.startsWith("/dev/") && sources.mounts.some(({ destination }) => destination === "/dev");
  const found = namespace === undefined ? sources.mounts : sources.mounts.map(withoutOtherOwners);
  const users = [...found, ...ofDevices.filter(({ destination }) => !isInUsersDev(destination))];
  const mounts = arrangeMounts(options.readOnly === true ? withoutWriting(usual, privileged) : usual, users);
  const spec = makeSpec({
    id,
    hostname,
    options,
    config: image.config,
    user,
    openFiles: openFilesLimit(),
    rootPath: `${runFolder}/merged`,
    mounts,
    hidden: hiddenPaths(privileged || options.security?.systemPaths === "unconfined"),
    security,
    devices,
    resources: { ...limits, devices: rules },
    lastGroup: namespace && mappedFromZero(namespace.gids) - 1,
    caller: { uid: Deno.uid() ?? 0, gid: Deno.gid() ?? 0 },
  });
  return makePlan({
    spec,
    security,
    stateFolder: containerState(paths, id),
    runFolder,
    lower: idMethod === "copy" ? (fillsVolumes ? copyOfScript : copiedImage)(paths, id) : image.lower,
    ...(idMethod === undefined ? {} : { idMethod }),
    ...(idMethod === "copy" && fillsVolumes && image.lower.kind === "folders"
      ? { imageToCopy: image.lower.layers }
      : {}),
    files,
    linksToReplace: image.etc.links,
    folders: sources.folders,
    ...(fillsVolumes ? { volumesToFill: volumesToFill(own, paths) } : {}),
    endpoints,
    ports,
    names: named?.nameStep(paths, id, options, endpoints, runFolder, known),
    cgroups,
    newParents: cgroups.parents.map(({ path }) => path).filter((path) =>
      ownParents?.has(path) === true || !pathExists(path)
    ),
    changedSignals: changedSignals(),
    interactive: options.interactive,
    persistent: monitor !== undefined,
    monitor,
    init: options.init,
    joins,
    ...(namespace === undefined ? {} : {
      rootless: {
        hasGroups: additionalGids !== undefined,
        network: userNetworkOf(options),
        ports: options.ports ?? [],
        ...(options.driver === undefined
          ? {}
          : { fuse: requireFuseOverlayfs(`cannot mount the files of container ${id.slice(0, 12)}`) }),
        hostNetwork: options.network === "pasta" ? hostNetwork() : { kind: "routed" },
      },
    }),
  });
}

/** As an ordinary user's container has a volume: only root can show files with other owners than they have. */
const withoutOtherOwners = (mount: Mount): Mount => ({
  ...mount,
  options: mount.options.filter((option) => option !== "idmap"),
});

/** @throws {HostError} when the program has gone that its network was made for */
function userNetworkOf({ network }: RunOptions): { program: UserNetwork; path: string } | undefined {
  if (!isUserNetwork(network)) return undefined;
  const path = findProgram(network);
  if (path !== undefined) return { program: network, path };
  throw new HostError({
    what: `cannot connect the container by ${network}`,
    why: `this host has no "${network}" command`,
    hint: `install it (Debian: apt-get install ${
      network === "pasta" ? "passt" : network
    }), or run with --network none`,
  });
}

function sharedMemory(mode: RunOptions["ipc"], joins: readonly Join[]): "own" | "none" | { source: string } {
  const join = joins.find(({ kind }) => kind === "ipc");
  if (join !== undefined) return { source: sharedMemoryOf(join) };
  return mode === "host" ? { source: "/dev/shm" } : mode === "none" ? "none" : "own";
}
