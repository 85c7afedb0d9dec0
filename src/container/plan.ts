import { mountSteps, sourceSteps } from "../rootfs/mounts.ts";
import { heldBinds, heldLayers, takingSteps } from "../rootfs/held.ts";
import { fuseOverlaySteps } from "../rootfs/fuse_overlay.ts";
import {
  layerFolders,
  loopSteps,
  type Lower,
  type OverlayDriver,
  overlaySteps,
  pivotSteps,
} from "../rootfs/overlay.ts";
import { rootOnHost, toHost } from "../security/id_mappings.ts";
import { type Confinement, confiningSteps } from "../security/confinement.ts";
import type { Endpoint } from "../network/network.ts";
import { connectSteps } from "../network/steps.ts";
import { networksWithPorts } from "../network/forwards.ts";
import type { HostNetwork } from "../network/host_routes.ts";
import type { PublishedPort } from "../network/ports.ts";
import { type UserNetwork, userNetworkStep } from "../network/user_network.ts";
import { hidingSteps } from "../security/hidden_paths.ts";
import { rlimitName } from "../plan/rlimits.ts";
import type { CgroupLayout } from "../limits/cgroup.ts";
import { allowAll, deviceSettingsV1 } from "../limits/devices.ts";
import type { Spec } from "../plan/oci.ts";
import type {
  ChildStep,
  DeviceFilter,
  HostStep,
  IdMethod,
  Join,
  MonitorSetup,
  NamespaceKind,
  Owner,
  Plan,
  Undo,
} from "../plan/step.ts";

/** What a plan is made from: the container in the standard's words, and what the standard leaves out. */
export interface PlanInput {
  readonly spec: Spec;
  /** What linux.seccomp would say, compiled; and the number of the kernel's last capability. */
  readonly security: Pick<Confinement, "filter" | "lastCapability">;
  /** The container's folder below the state folder: its writable layer. */
  readonly stateFolder: string;
  /** The container's folder below the run folder: its mount point and files. */
  readonly runFolder: string;
  /** The image, as it is kept. */
  readonly lower: Lower;
  /** Texts of the files that take the place of the image's, by their paths in the container. */
  readonly files: Readonly<Record<string, string>>;
  /** Those of them that are symlinks in the image. */
  readonly linksToReplace: readonly string[];
  /** Its places in networks of dhow's. */
  readonly endpoints: readonly Endpoint[];
  /** What starts its name server. Absent for none. */
  readonly names?: Extract<HostStep, { do: "serve-names" }> | undefined;
  /** Those of the host that lead to it. Absent for none. */
  readonly ports?: readonly PublishedPort[];
  readonly cgroups: CgroupLayout;
  /** Cgroups above the container's that are made for it. Absent for none. */
  readonly newParents?: readonly string[];
  /** Folders of the host to make, if they are not there: sources of mounts. */
  readonly folders: readonly string[];
  /** Only a script fills volumes at a start: their folders, by the paths in the container. */
  readonly volumesToFill?: Readonly<Record<string, string>>;
  /** Numbers of the signals that this process ignores or catches. */
  readonly changedSignals: readonly number[];
  /** Whether the program reads this process's standard input, or, with a monitor, what other commands send it. */
  readonly interactive: boolean;
  /** Whether its writable layer stays when it ends. */
  readonly persistent: boolean;
  /** undefined when dhow itself waits for its end. */
  readonly monitor: MonitorSetup | undefined;
  /** Whether an init of dhow's is process 1. */
  readonly init: boolean;
  /** Namespaces of other containers that it joins; the specification lists only its own. */
  readonly joins: readonly Join[];
  /** Of a container whose ids are others than its caller's. Absent for all others. */
  readonly idMethod?: IdMethod;
  /** Only a script copies an image at a start: its layers' folders, top to bottom. */
  readonly imageToCopy?: readonly string[];
  /** Whether an ordinary user's dhow starts it, which is in a user namespace itself. Absent for no. */
  readonly rootless?: Rootless | undefined;
}

/** What is different in the user namespace of an ordinary user's dhow. */
export interface Rootless {
  /** Whether groups can be set there; not if it has no group but the user's own. */
  readonly hasGroups: boolean;
  /** What connects the container; undefined for nothing. */
  readonly network: { readonly program: UserNetwork; readonly path: string } | undefined;
  readonly ports: readonly PublishedPort[];
  /** The path of fuse-overlayfs, which mounts its root. Absent for the kernel's overlay. */
  readonly fuse?: string | undefined;
  readonly hostNetwork: HostNetwork;
}

/**
 * A container's start, as a list of steps. Pure: it asks nothing of the system, and changes nothing.
 */
export function makePlan(input: PlanInput): Plan {
  const { spec, stateFolder, runFolder, endpoints, ports = [], names, cgroups, lower, newParents = [] } =
    input;
  const inUserNamespace = spec.linux.uidMappings.length > 0;
  const steps: HostStep[] = [
    ...folderSteps(input),
    ...(cgroups.folders.length === 0 ? [] : cgroupSteps(input)),
    ...input.folders.map((path): HostStep => ({
      do: "make-directory",
      why: "make the folder that is to be mounted",
      path,
      mode: 0o755,
      ...(input.imageToCopy === undefined ? {} : { owner: rootOf(spec) }),
    })),
    ...loopSteps(lower),
    ...fuseSteps(input),
    ...(input.idMethod === undefined ? [] : [
      {
        do: "hold-trees",
        why: "open what it is to mount: with ids of its own it could not",
        trees: [...heldLayers({ ...input, idMethod: input.idMethod }), ...heldBinds(spec.mounts)],
        owner: rootOf(spec),
      } as const,
    ]),
    {
      do: "start-child",
      why: "start the container's first process in namespaces of its own",
      namespaces: clonedNamespaces(spec),
      ...(input.joins.length === 0 ? {} : { joins: input.joins }),
      steps: childSteps(input),
      ...(input.monitor === undefined ? {} : { monitor: input.monitor }),
      ...(spec.process.terminal ? {} : userOnHost(spec)),
    },
    ...(inUserNamespace
      ? [
        {
          do: "map-ids",
          why: input.idMethod === undefined
            ? "make the caller the container's root"
            : "give it ids of the host, and the files that it gets to these",
          uids: spec.linux.uidMappings,
          gids: spec.linux.gidMappings,
          ...(input.imageToCopy === undefined
            ? {}
            : { copies: { layers: input.imageToCopy, target: `${stateFolder}/image` } }),
        } as const,
      ]
      : []),
    ...connectSteps(endpoints, endpoints, ports),
    ...(names === undefined ? [] : [names]),
    ...userNetworkSteps(input),
    releaseStep(input),
  ];
  return {
    steps,
    undo: [
      ...(input.persistent ? [] : [{ undo: "remove-tree", path: stateFolder } as const]),
      { undo: "remove-tree", path: runFolder },
      ...(newParents.length === 0
        ? []
        : [{ undo: "remove-empty-cgroups", folders: newParents.toReversed() } as const]),
      ...(cgroups.folders.length === 0
        ? []
        : [{ undo: "remove-cgroups", folders: cgroups.folders.map(({ path }) => path) } as const]),
      ...(names === undefined
        ? []
        : [{ undo: "forget-names", networks: endpoints.map(({ network: { name } }) => name) } as const]),
      ...unpublishing(ports, endpoints),
      ...endpoints.flatMap(({ link }) => link === "" ? [] : [{ undo: "delete-link", link } as const]),
    ],
  };
}

/** Only networks of which the host's ports lead to it have rules for that. */
function unpublishing(ports: readonly PublishedPort[], endpoints: readonly Endpoint[]): Undo[] {
  const networks = networksWithPorts(ports, endpoints);
  return ports.length === 0 ? [] : [{ undo: "unpublish-ports", networks }];
}

function fuseSteps({ rootless, lower, stateFolder, runFolder, persistent }: PlanInput): HostStep[] {
  const path = rootless?.fuse;
  if (path === undefined) return [];
  return fuseOverlaySteps({
    path,
    lower: layerFolders(lower),
    upper: `${stateFolder}/diff`,
    work: `${stateFolder}/work`,
    isVolatile: !persistent,
    folder: runFolder,
  });
}

function driverOf({ spec, rootless }: PlanInput): OverlayDriver {
  if (rootless?.fuse !== undefined) return "fuse-overlayfs";
  return rootless !== undefined || spec.linux.uidMappings.length > 0 ? "user" : "privileged";
}

function userNetworkSteps({ rootless, runFolder }: PlanInput): HostStep[] {
  if (rootless?.network === undefined) return [];
  const { network: { program, path }, ports, hostNetwork } = rootless;
  return [userNetworkStep(program, path, runFolder, ports, hostNetwork)];
}

/** Whether dhow has something to do between the child's mounts and its program. */
function mustMeet(input: PlanInput): boolean {
  const { spec, endpoints } = input;
  return endpoints.length > 0 || spec.process.terminal || (needsDevices(input) && restrictsDevices(input));
}

/** Whether the child opens devices of the host for its mounts: those of an image that lies on loop devices. */
const needsDevices = ({ lower }: PlanInput) => lower.kind === "erofs" && lower.loop;

const restrictsDevices = ({ spec, cgroups }: PlanInput) =>
  cgroups.devices !== undefined && !allowAll(spec.linux.resources.devices);

/** The container's cgroups, with all their limits: they are there before a process joins. */
function cgroupSteps(input: PlanInput): HostStep[] {
  const { cgroups: { version, parents, folders, devices }, spec } = input;
  const restrictsNow = restrictsDevices(input) && !needsDevices(input);
  const rules = restrictsNow && version === 1 ? deviceSettingsV1(spec.linux.resources.devices) : [];
  const why = "make cgroups that hold the container's processes together";
  return [
    {
      do: "make-cgroups",
      why: parents.length + rules.length === 0 && folders.every(({ settings }) => settings.length === 0)
        ? why
        : `${why}, and limit them`,
      ...(parents.length === 0 ? {} : { parents }),
      folders: folders.map((folder) =>
        folder.path === devices && rules.length > 0
          ? { ...folder, settings: [...folder.settings, ...rules] }
          : folder
      ),
    },
    ...(restrictsNow && version === 2
      ? [
        {
          why: "keep it from devices that it was not given",
          ...deviceFilter(folders[0]!.path, spec),
        },
      ]
      : []),
  ];
}

const deviceFilter = (path: string, { linux }: Spec): DeviceFilter => ({
  do: "filter-devices",
  path,
  rules: linux.resources.devices,
});

function releaseStep(input: PlanInput): HostStep {
  const { cgroups: { version, devices: path }, spec } = input;
  const step = { do: "release-child", why: "let it go on", reports: mustMeet(input) } as const;
  if (path === undefined || !needsDevices(input) || !restrictsDevices(input)) return step;
  return {
    ...step,
    restricts: version === 2
      ? deviceFilter(path, spec)
      : { path, settings: deviceSettingsV1(spec.linux.resources.devices) },
  };
}

/** The program's user, if that is not the caller. */
function userOnHost({ process: { user }, linux }: Spec): { user?: Owner } {
  const { uidMappings, gidMappings } = linux;
  if (uidMappings.length === 0) return user.uid === 0 ? {} : { user: { uid: user.uid, gid: user.gid } };
  const [uid, gid] = [toHost(uidMappings, user.uid), toHost(gidMappings, user.gid)];
  return uid === undefined || gid === undefined || uid === 0 ? {} : { user: { uid, gid } };
}

const rootOf = ({ linux }: Spec) => rootOnHost({ uids: linux.uidMappings, gids: linux.gidMappings });

/** The cgroup namespace is missing here: it begins at the cgroup the process is in, so it is made after joining one. */
function clonedNamespaces(spec: Spec): NamespaceKind[] {
  return spec.linux.namespaces.flatMap(({ type }) => type === "cgroup" ? [] : [type]);
}

function folderSteps(input: PlanInput): HostStep[] {
  const { stateFolder, runFolder, spec, files, lower, idMethod } = input;
  const owned = idMethod === undefined ? {} : { owner: rootOf(spec) };
  // mounts make do with root's folders, where the container's ids are shown as others
  const ownedLayer = idMethod === "copy" ? owned : {};
  const writable: HostStep[] = ["diff", "work", ...(input.imageToCopy === undefined ? [] : ["image"])].map((
    name,
  ) => ({
    do: "make-directory",
    why: "make the writable layer and overlay's work folder",
    path: `${stateFolder}/${name}`,
    mode: 0o755,
    ...ownedLayer,
  }));
  // a container's setuid programs are none of the host users' business (CVE-2021-41091)
  const closed: HostStep[] = [stateFolder, runFolder].map((path) => ({
    do: "make-directory",
    why: "make the container's folders, for root only",
    path,
    mode: 0o700,
    // what dhow opens for the container, a script has it find by itself
    ...(path === stateFolder || input.imageToCopy !== undefined ? ownedLayer : {}),
  }));
  return [
    ...closed,
    ...writable,
    { do: "make-directory", why: "make the mount point", path: spec.root.path, mode: 0o755 },
    ...(lower.kind === "erofs"
      ? [
        {
          do: "make-directory",
          why: "make the mount point",
          path: `${runFolder}/lower`,
          mode: 0o755,
        } as const,
      ]
      : []),
    {
      do: "make-directory",
      why: "make a folder for the container's files",
      path: `${runFolder}/etc`,
      mode: 0o755,
    },
    ...Object.entries(files).map(([path, text]): HostStep => ({
      do: "write-file",
      why: "write the container's files for /etc",
      path: runFolder + path,
      text,
      mode: 0o644,
      ...owned,
    })),
  ];
}

const makesNull = (step: ChildStep) =>
  step.op === "make-device" && step.inRoot === "/dev/null" && step.type === "c" && step.major === 1 &&
  step.minor === 3;

/** What the container's first process does before it becomes the image's program. */
function childSteps(input: PlanInput): ChildStep[] {
  const { spec, stateFolder, runFolder, lower, cgroups, changedSignals, linksToReplace } = input;
  const { process, linux } = spec;
  const hasUserNamespace = linux.uidMappings.length > 0;
  const inUserNamespace = hasUserNamespace || input.rootless !== undefined;
  const hasOwnNetwork = linux.namespaces.some(({ type }) => type === "network");
  const mounts = mountSteps(spec.mounts, inUserNamespace, linksToReplace, linux.devices);
  const [openFiles = { soft: 1024, hard: 4096 }, ...others] = process.rlimits;
  const limits = others.map(({ type, soft, hard }) => ({ name: rlimitName(type), soft, hard }));
  const { beforeUser, afterUser } = confiningSteps({ ...input.security, ...process });
  return [
    ...(hasUserNamespace ? [{ op: "await-id-mapping", why: "wait for the id mapping" } as const] : []),
    ...joinSteps(input),
    ...(linux.timeOffsets === undefined ? [] : [
      {
        op: "make-time-namespace",
        why: "make clocks of its own",
        monotonic: linux.timeOffsets.monotonic.secs,
        boottime: linux.timeOffsets.boottime.secs,
      } as const,
    ]),
    ...(cgroups.folders.length === 0
      ? []
      : [{ op: "join-cgroups", why: "join its cgroups", folders: cgroups.folders } as const]),
    ...(linux.namespaces.some(({ type }) => type === "cgroup")
      ? [{ op: "unshare-cgroup", why: "make its own cgroup the top of what it sees" } as const]
      : []),
    ...(process.oomScoreAdj === undefined ? [] : [
      {
        op: "adjust-oom-score",
        why: "say how readily the kernel may end it when memory is short",
        score: process.oomScoreAdj,
      } as const,
    ]),
    ...(input.idMethod === undefined
      ? sourceSteps(spec.mounts)
      : [{ op: "become-root", why: "become the root of its user namespace" } as const]),
    ...overlaySteps({
      lower,
      indexTarget: `${runFolder}/lower`,
      upper: `${stateFolder}/diff`,
      work: `${stateFolder}/work`,
      target: spec.root.path,
      driver: driverOf(input),
      ...(input.idMethod === undefined ? {} : { isHeld: true }),
      isVolatile: !input.persistent,
    }),
    ...Object.entries(input.volumesToFill ?? {}).map(([inRoot, source]): ChildStep => ({
      op: "fill-volume",
      why: `give the volume what the image has in ${inRoot}`,
      source,
      inRoot,
    })),
    ...(input.idMethod === undefined ? [] : takingSteps(spec.mounts)),
    ...mounts,
    ...(hasOwnNetwork ? [{ op: "loopback-up", why: "bring its loopback interface up" } as const] : []),
    ...Object.entries(linux.sysctl).map(([key, value]): ChildStep => ({
      op: "set-sysctl",
      why: `set ${key} in its namespace`,
      key,
      value,
    })),
    ...hidingSteps(linux, mounts.some(makesNull)),
    ...(linux.namespaces.some(({ type }) => type === "uts")
      ? [{ op: "set-hostname", why: "set its host name", hostname: spec.hostname } as const]
      : []),
    { op: "new-session", why: "leave the caller's session, and its keys" },
    ...(process.terminal
      ? [{ op: "open-terminal", why: "open a terminal of its own", uid: process.user.uid } as const]
      : []),
    // also without a network: it must not become the program before its pid is written down
    { op: "await-release", why: "wait until its network is ready", reports: mustMeet(input) },
    ...streamSteps(input),
    ...pivotSteps(),
    {
      op: "reset-process",
      why: "start with default signals, limits and no descriptors of dhow's",
      changedSignals,
      openFiles,
    },
    { op: "change-directory", why: "go to the working directory", path: process.cwd },
    ...(spec.root.readonly ? [{ op: "protect-root", why: "make its root read-only" } as const] : []),
    ...(limits.length === 0 ? [] : [
      {
        op: "set-limits",
        why: `limit its processes: ${limits.map(({ name }) => name).join(", ")}`,
        limits,
      } as const,
    ]),
    ...beforeUser,
    {
      op: "set-user",
      why: "become the user",
      uid: process.user.uid,
      gid: process.user.gid,
      groups: input.rootless?.hasGroups === false ? undefined : process.user.additionalGids,
    },
    ...afterUser,
    {
      op: "execute",
      why: input.init ? "become an init, which starts the program and looks after it" : "become the program",
      args: process.args,
      env: process.env,
      init: input.init,
    },
  ];
}

/** The source of /dev/shm of a container that joins the IPC namespace of another. */
export const sharedMemoryOf = ({ process }: Join) => `/proc/${process.pid}/root/dev/shm`;

/** What the first process can join by itself; and what must be there before it makes its mounts. */
function joinSteps({ joins, spec }: PlanInput): ChildStep[] {
  const partners = [...new Set(joins.map(({ container }) => container))];
  const steps = partners.flatMap((container): ChildStep[] => {
    const kinds = joins.flatMap((join) =>
      join.container === container && join.kind !== "pid" ? [join.kind] : []
    );
    const why = `join namespaces of container ${container.slice(0, 12)}: ${kinds.join(", ")}`;
    return kinds.length === 0 ? [] : [{ op: "join-namespaces", why, kinds, container }];
  });
  const ipc = joins.find(({ kind }) => kind === "ipc");
  const shared = ipc && spec.mounts.find(({ source }) => source === sharedMemoryOf(ipc));
  if (ipc === undefined || shared === undefined) return steps;
  const [why, inRoot] = ["hold the other's shared memory", shared.destination];
  return [...steps, { op: "take-shared-memory", why, container: ipc.container, inRoot }];
}

function streamSteps({ spec, interactive, monitor }: PlanInput): ChildStep[] {
  if (spec.process.terminal) {
    return [{ op: "take-terminal", why: "take the terminal for input and output" }];
  }
  const output = { op: "take-output", why: "write to the monitor's pipes" } as const;
  const input = { op: "take-input", why: "read from the monitor's pipe" } as const;
  const nothing = { op: "close-input", why: "read nothing: -i was not given" } as const;
  return [
    ...(interactive ? (monitor === undefined ? [] : [input]) : [nothing]),
    ...(monitor === undefined ? [] : [output]),
  ];
}
