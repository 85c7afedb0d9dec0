import type { RunOptions } from "../../../src/container/options.ts";
import { makePlan, type PlanInput, type Rootless, sharedMemoryOf } from "../../../src/container/plan.ts";
import { makeSpec } from "../../../src/container/spec.ts";
import type { ImageConfig } from "../../../src/image/config.ts";
import { wishesOf } from "../../../src/container/limiting.ts";
import { type CgroupLayout, cgroupLayout } from "../../../src/limits/cgroup.ts";
import { ALL_DEVICES, USUAL_DEVICES } from "../../../src/limits/devices.ts";
import { linkName } from "../../../src/network/network.ts";
import { hardwareAddress } from "../../../src/network/steps.ts";
import { parseAddress, parseSubnet } from "../../../src/network/subnet.ts";
import type { Device, DeviceRule, Resources, Spec } from "../../../src/plan/oci.ts";
import {
  type ChildStep,
  type HostStep,
  type IdMappings,
  type IdMethod,
  type Join,
  JOINABLE,
  type MonitorSetup,
  type Plan,
} from "../../../src/plan/step.ts";
import { defaultMounts } from "../../../src/rootfs/mounts.ts";
import type { HiddenPaths } from "../../../src/security/hidden_paths.ts";
import { DEFAULT_CAPABILITIES } from "../../../src/security/capabilities.ts";
import { readyFilter } from "../../../src/security/seccomp/filter.ts";
import type { ResolvedUser } from "../../../src/security/user.ts";

/** A container to make specifications and plans of, without a host or an image. */
export const ID = "0123456789abcdef".repeat(4);

export const OPTIONS: RunOptions = {
  image: "sample",
  pull: "missing",
  platform: undefined,
  insecure: false,
  quiet: false,
  command: [],
  interactive: false,
  terminal: false,
  name: undefined,
  hostname: undefined,
  network: "bridge",
  address: undefined,
  dns: [],
  entrypoint: undefined,
  env: [],
  workingDir: undefined,
  user: undefined,
  userNamespace: false,
  verify: false,
  detach: false,
  attach: ["stdout", "stderr"],
  remove: false,
  stopSignal: undefined,
  stopTimeout: undefined,
  labels: {},
  log: { driver: "json-file", maxSize: undefined, maxFiles: 1 },
  restart: { name: "no", retries: 0 },
  cidFile: undefined,
  init: false,
  pid: "private",
  ipc: "private",
  uts: "private",
  mounts: [],
  volumesFrom: [],
  extraHosts: [],
  dnsSearch: [],
  dnsOptions: [],
  domainName: undefined,
  groups: [],
  exposed: [],
};

export const CONFIG: ImageConfig = {
  architecture: "amd64",
  os: "linux",
  env: ["PATH=/bin:/usr/bin", "COLOUR=red"],
  entrypoint: [],
  cmd: ["sh"],
  workingDir: "",
  user: "",
  exposedPorts: [],
  diffIds: [`sha256:${"0".repeat(64)}`],
};

/** Some of what is hidden in every container. */
export const HIDDEN: HiddenPaths = {
  maskedPaths: ["/sys/firmware", "/proc/kcore"],
  readonlyPaths: ["/proc/sys", "/proc/sysrq-trigger"],
};

export const ROOT: ResolvedUser = { uid: 0, gid: 0, additionalGids: [], home: "/root" };

const V2 = "28 22 0:24 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";
const V1 =
  "30 27 0:26 / /cg/cpuset rw - cgroup cgroup rw,cpuset\n31 27 0:27 / /cg/memory rw - cgroup cgroup rw,memory\n" +
  "32 27 0:28 / /cg/devices rw - cgroup cgroup rw,devices\n";

/** The cgroups of a container, as a host with none of those above it has them. */
function layoutOf({ options = {}, cgroupVersion = 2, limits }: Choice): CgroupLayout {
  const parent = options.cgroupParent;
  const read = (path: string) => {
    if (path.includes("subtree_control")) return "cpu\n";
    if (path.startsWith("/cg/cpuset/cpuset.")) return "0\n";
    throw new Deno.errors.NotFound(path);
  };
  return cgroupLayout(cgroupVersion === 2 ? V2 : V1, ID, read, {
    ...(parent === undefined ? {} : { parent }),
    ...(limits === undefined ? {} : wishesOf(limits)),
  });
}

const SECURITY = {
  capabilities: DEFAULT_CAPABILITIES,
  noNewPrivileges: false,
  lastCapability: 40,
  filter: readyFilter(DEFAULT_CAPABILITIES, "x86_64"),
};

export interface Choice {
  readonly limits?: Omit<Resources, "devices">;
  readonly devices?: readonly DeviceRule[];
  /** Besides those that all have. */
  readonly nodes?: readonly Device[];
  readonly options?: Partial<RunOptions>;
  readonly config?: Partial<ImageConfig>;
  readonly user?: Partial<ResolvedUser>;
  readonly cgroupVersion?: 1 | 2;
  readonly layers?: readonly string[];
  readonly files?: Readonly<Record<string, string>>;
  readonly monitor?: MonitorSetup;
  /** Of one with ids of its own: a copy is as in a script, which makes it itself. */
  readonly idMethod?: IdMethod;
  readonly rootless?: Rootless;
}

const FILES = {
  "/etc/hosts": "127.0.0.1\tlocalhost\n",
  "/etc/hostname": "0123456789ab\n",
  "/etc/resolv.conf": "nameserver 192.0.2.1\n",
};

function sharedMemory(mode: RunOptions["ipc"]): Parameters<typeof defaultMounts>[0]["sharedMemory"] {
  if (mode === "host") return { source: "/dev/shm" };
  if (mode.startsWith("container:")) return { source: sharedMemoryOf(JOINS[1]!) };
  return mode === "none" ? "none" : "own";
}

/** A container to join. */
const PARTNER = { container: "f".repeat(64), process: { pid: 4242, startTime: 7, bootId: "boot" } };
export const JOINS: readonly Join[] = JOINABLE.map((kind) => ({ kind, ...PARTNER }));
const JOINED = `container:${PARTNER.container}` as const;

export function sampleSpec(
  choice: Choice = {},
): Spec {
  const { options = {}, config = {}, user = {}, cgroupVersion = 2, files = FILES } = choice;
  const chosen = { ...OPTIONS, ...options };
  return makeSpec({
    id: ID,
    hostname: chosen.hostname ?? ID.slice(0, 12),
    options: chosen,
    config: { ...CONFIG, ...config },
    user: { ...ROOT, ...user },
    openFiles: { soft: 1024, hard: 4096 },
    rootPath: `/run/dhow/containers/${ID}/merged`,
    mounts: defaultMounts({
      files: Object.fromEntries(
        Object.keys(files).map((path) => [path, `/run/dhow/containers/${ID}${path}`]),
      ),
      hasOwnNetwork: chosen.network !== "host",
      inUserNamespace: chosen.userNamespace,
      cgroupVersion,
      sharedMemory: sharedMemory(chosen.ipc),
    }),
    hidden: HIDDEN,
    security: SECURITY,
    devices: choice.nodes ?? [],
    resources: { ...choice.limits, devices: choice.devices ?? USUAL_DEVICES },
    caller: { uid: 0, gid: 0 },
  });
}

export function samplePlan(choice: Choice = {}): Plan {
  const { options = {}, layers = ["/var/lib/dhow/layers/2", "/var/lib/dhow/layers/1"] } = choice;
  const input: PlanInput = {
    spec: sampleSpec(choice),
    security: SECURITY,
    stateFolder: `/var/lib/dhow/containers/${ID}`,
    runFolder: `/run/dhow/containers/${ID}`,
    lower: {
      kind: "folders",
      layers: choice.idMethod === "copy" ? [`/var/lib/dhow/containers/${ID}/image`] : layers,
    },
    files: choice.files ?? FILES,
    endpoints: (options.network ?? "bridge") !== "bridge" ? [] : [{
      network: {
        name: "bridge",
        driver: "bridge",
        bridge: "dhow0",
        subnet: parseSubnet("100.100.1.0/24"),
        gateway: parseAddress("100.100.1.1")!,
        internal: false,
        masquerade: true,
        masquerade6: true,
      },
      address: parseAddress("100.100.1.2")!,
      hardwareAddress: hardwareAddress(parseAddress("100.100.1.2")!),
      interface: "eth0",
      link: linkName(ID),
    }],
    cgroups: layoutOf(choice),
    linksToReplace: [],
    folders: [],
    changedSignals: [13],
    interactive: options.interactive ?? false,
    persistent: choice.monitor !== undefined,
    monitor: choice.monitor,
    init: options.init ?? false,
    joins: JOINS.filter(({ kind }) => options[kind] === JOINED),
    ...(choice.idMethod === undefined ? {} : { idMethod: choice.idMethod }),
    ...(choice.idMethod === "copy" ? { imageToCopy: layers } : {}),
    rootless: choice.rootless,
  };
  return makePlan(input);
}

export function childSteps(plan: Plan): readonly ChildStep[] {
  const start = plan.steps.find((step) => step.do === "start-child");
  return start?.do === "start-child" ? start.steps : [];
}

/** The first host step of a kind. */
export function hostStep<Kind extends HostStep["do"]>(
  plan: Plan,
  kind: Kind,
): Extract<HostStep, { do: Kind }> {
  const found = plan.steps.find((step): step is Extract<HostStep, { do: Kind }> => step.do === kind);
  if (found === undefined) throw new Error(`the plan has no step ${kind}`);
  return found;
}

/** The first child step of a kind. */
export function childStep<Op extends ChildStep["op"]>(plan: Plan, op: Op): Extract<ChildStep, { op: Op }> {
  const found = childSteps(plan).find((step): step is Extract<ChildStep, { op: Op }> => step.op === op);
  if (found === undefined) throw new Error(`the plan has no child step ${op}`);
  return found;
}

export const MONITOR: MonitorSetup = {
  id: ID,
  terminal: false,
  keepsInput: false,
  awaitsReader: false,
  log: { path: `/var/lib/dhow/containers/${ID}/log`, size: null, files: 1 },
  exitPath: `/var/lib/dhow/containers/${ID}/exit`,
  command: ["/usr/bin/dhow", "ended", ID],
  environment: ["PATH=/bin"],
};

const NODES: readonly Device[] = ["/dev/null", "/dev/snd/disk", "/opt/a/disk"].map((path) => ({
  path,
  type: "b",
  major: 259,
  minor: 70_000,
  fileMode: 0o660,
  uid: 0,
  gid: 6,
}));

const LIMITS: Omit<Resources, "devices"> = {
  memory: { limit: 64 << 20, swap: 128 << 20 },
  cpu: { shares: 512, quota: 50_000, cpus: "0" },
  pids: { limit: 20 },
  blockIO: { weight: 100 },
};

/** As --userns auto gives them. */
export const IDS: IdMappings = {
  uids: [{ containerID: 0, hostID: 200_000, size: 65536 }],
  gids: [{ containerID: 0, hostID: 300_000, size: 1000 }],
};

/** All the ways in which a container can be wanted that change its plan. */
export const CHOICES: readonly (Choice & { readonly what: string })[] = [
  { what: "on the bridge" },
  { what: "without a network", options: { network: "none" } },
  { what: "in the host's network", options: { network: "host" } },
  { what: "in a user namespace", options: { userNamespace: true } },
  { what: "in a user namespace and the host's network", options: { userNamespace: true, network: "host" } },
  { what: "with a terminal", options: { terminal: true, interactive: true } },
  { what: "reading standard input", options: { interactive: true } },
  { what: "on cgroup v1", cgroupVersion: 1 },
  { what: "under a monitor", monitor: MONITOR },
  { what: "under a monitor, with input", monitor: MONITOR, options: { interactive: true } },
  {
    what: "under a monitor, with a terminal",
    monitor: MONITOR,
    options: { interactive: true, terminal: true },
  },
  { what: "sharing the host's namespaces", options: { pid: "host", ipc: "host", uts: "host" } },
  { what: "joining another's namespaces", options: { network: JOINED, ipc: JOINED, pid: JOINED } },
  { what: "with a root that is read-only", options: { readOnly: true } },
  {
    what: "with limits and settings of its own",
    options: {
      rlimits: [{ name: "nofile", soft: 64, hard: -1 }, { name: "core", soft: 0, hard: 0 }],
      oomScoreAdjustment: 500,
      sysctls: { "kernel.msgmax": "9000", "net.ipv4.ip_forward": "1" },
      cgroupNamespace: "host",
      timeOffsets: { monotonic: 7, boottime: -8 },
    },
  },
  { what: "with limits", limits: LIMITS },
  { what: "with limits on cgroup v1", limits: LIMITS, cgroupVersion: 1 },
  { what: "in a cgroup of the user's", limits: LIMITS, options: { cgroupParent: "/a/b" } },
  { what: "in a cgroup of the user's on v1", cgroupVersion: 1, options: { cgroupParent: "a" } },
  { what: "with all devices", devices: ALL_DEVICES },
  { what: "with all devices on cgroup v1", devices: ALL_DEVICES, cgroupVersion: 1 },
  { what: "with ids of its own", options: { userNamespace: true, ids: IDS }, idMethod: "mounts" },
  { what: "with ids of its own, and a copy", options: { userNamespace: true, ids: IDS }, idMethod: "copy" },
  { what: "with devices of its own", nodes: NODES },
  { what: "as a user with groups", user: { uid: 1000, gid: 1001, additionalGids: [10, 6] } },
];
