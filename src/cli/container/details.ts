/** What `inspect` shows of a container: docker's types.ContainerJSON. */
import type { Health, ProbeResult } from "../../container/health.ts";
import { attachmentsOf, joinedContainer, type RunOptions } from "../../container/options.ts";
import type { ContainerRecord } from "../../container/records.ts";
import type { Rlimit } from "../../plan/rlimits.ts";
import type { IdMapping, IdMappings } from "../../plan/step.ts";
import { hiddenPaths } from "../../security/hidden_paths.ts";
import { formatTime } from "../format/time.ts";
import { type Field, GoMap, List, Nil, Struct, Text, type Value } from "../template/value.ts";
import { describeLimits } from "./limit_details.ts";
import { describeMounts, describeRequests } from "./mount_details.ts";
import { healthStatus } from "./rows.ts";
import type { ContainerSize } from "./sizes.ts";
import { type Attachment, DEFAULT_NETWORK, type Endpoint } from "../../network/network.ts";
import { formatAddress } from "../../network/subnet.ts";
import { containerSide, type PublishedPort } from "../../network/ports.ts";

/** A network that a container is in. */
export interface ShownNetwork {
  readonly name: string;
  readonly id: string;
  /** Its place there; undefined while it does not run. */
  readonly endpoint: Endpoint | undefined;
}

/** What of a container is shown. */
export interface ShownContainer {
  readonly record: ContainerRecord;
  readonly isRunning: boolean;
  readonly isPaused: boolean;
  /** Undefined when it was never checked. */
  readonly health: Health | undefined;
  /** docker's container.Config. */
  readonly process: Struct;
  /** Those of the host that lead into it now. */
  readonly ports: readonly PublishedPort[];
  /** None if they are another container's. */
  readonly networks: readonly ShownNetwork[];
  /** Its folders below the state folder and below the run folder. */
  readonly stateFolder: string;
  readonly runFolder: string;
  /** Undefined unless it was asked for. */
  readonly size: ContainerSize | undefined;
}

const ZERO_TIME = "0001-01-01T00:00:00Z";

const time = (milliseconds: number | null) =>
  milliseconds === null ? ZERO_TIME : new Date(milliseconds).toISOString();

/** A container, as templates and JSON see it. */
export function describeContainer(shown: ShownContainer): Struct {
  const { record, process, stateFolder, runFolder, size } = shown;
  const { id, name, image, config } = record;
  const [path = "", ...args] = config.command;
  const etc = shown.isRunning ? `${runFolder}/etc` : "";
  const file = (name: string) => etc === "" ? "" : `${etc}/${name}`;
  const measured = (bytes: number | undefined) => bytes ?? new Nil("*int64");
  return new Struct("*types.ContainerJSON", [
    { name: "ID", json: "Id", value: id },
    { name: "Created", value: time(record.created) },
    { name: "Path", value: path },
    { name: "Args", value: new List(args) },
    { name: "State", value: describeState(shown) },
    { name: "Image", value: image },
    { name: "ResolvConfPath", value: file("resolv.conf") },
    { name: "HostnamePath", value: file("hostname") },
    { name: "HostsPath", value: file("hosts") },
    { name: "LogPath", value: hasLog(record) ? `${stateFolder}/log` : "" },
    { name: "Name", value: `/${name}` },
    { name: "RestartCount", value: record.restarts },
    { name: "Driver", value: driverName(record) },
    { name: "Platform", value: "linux" },
    { name: "MountLabel", value: "" },
    { name: "ProcessLabel", value: "" },
    { name: "AppArmorProfile", value: "" },
    { name: "ExecIDs", value: new List([], "[]string", true) },
    { name: "HostConfig", value: describeHostConfig(record) },
    { name: "GraphDriver", value: describeLayers(shown) },
    { name: "SizeRw", value: measured(size?.own), omitEmpty: true },
    { name: "SizeRootFs", value: measured(size?.all), omitEmpty: true },
    { name: "Mounts", value: describeMounts(record.config.mounts ?? [], stateFolder) },
    { name: "Config", value: process },
    { name: "NetworkSettings", value: describeNetworks(shown) },
  ]);
}

function fields(values: Readonly<Record<string, Value>>): Field[] {
  return Object.entries(values).map(([name, value]) => ({ name, value }));
}

function plain(type: string, values: Readonly<Record<string, Value>>): Struct {
  return new Struct(type, fields(values));
}

function describeState({ record, isRunning, isPaused, health }: ShownContainer): Struct {
  const { status, process, exitCode, error, oomKilled, started, finished } = record;
  const word = isPaused ? "paused" : isRunning ? "running" : status === "foreground" ? "exited" : status;
  const nil = new Nil("*types.Health");
  const state = {
    Status: word,
    Running: isRunning,
    Paused: isPaused,
    Restarting: status === "restarting",
    OOMKilled: oomKilled && !isRunning,
    Dead: false,
    Pid: isRunning ? process?.pid ?? 0 : 0,
    ExitCode: isRunning ? 0 : exitCode ?? 0,
    Error: error ?? "",
    StartedAt: time(started ?? (status === "foreground" ? record.created : null)),
    FinishedAt: time(finished),
  };
  return new Struct("*types.ContainerState", [
    ...fields(state),
    {
      name: "Health",
      value: health === undefined ? nil : describeHealth(health, isRunning && !isPaused),
      omitEmpty: true,
    },
  ]);
}

function describeHealth({ status, streak, log }: Health, runs: boolean): Struct {
  return plain("*types.Health", {
    Status: healthStatus(status, runs)!,
    FailingStreak: streak,
    Log: new List(log.map(describeProbe), "[]*types.HealthcheckResult"),
  });
}

function describeProbe({ start, end, exitCode, output }: ProbeResult): Struct {
  const moment = (milliseconds: number) =>
    new Text("time.Time", formatTime(milliseconds), new Date(milliseconds).toISOString());
  return plain("*types.HealthcheckResult", {
    Start: moment(start),
    End: moment(end),
    ExitCode: exitCode,
    Output: output,
  });
}

const NO_TEXTS = new List([], "[]string", true);

const hasLog = ({ status, config }: ContainerRecord) =>
  status !== "foreground" && config.options.log.driver !== "none";

const texts = (values: readonly string[]) => new List(values, "[]string", values.length === 0);

const rlimits = (limits: readonly Rlimit[]) =>
  new List(
    limits.map(({ name, soft, hard }) => plain("*units.Ulimit", { Name: name, Hard: hard, Soft: soft })),
    "[]*units.Ulimit",
    limits.length === 0,
  );
/** As docker's client hands them on: a profile in place of its file, and what switches SELinux off for privileged ones. */
function securityOptions({ security }: RunOptions): readonly string[] {
  if (security === undefined) return [];
  const { given, seccomp, privileged } = security;
  const shown = given.map((text) =>
    text.startsWith("seccomp") && typeof seccomp === "object" ? `seccomp=${seccomp.profile}` : text
  );
  return privileged && shown.length === 0 ? ["label=disable"] : shown;
}

/** docker's daemon gives no lists for privileged ones, its client gives empty ones for systempaths=unconfined. */
function hidden(security: RunOptions["security"]): { MaskedPaths: List; ReadonlyPaths: List } {
  if (security?.privileged === true) return { MaskedPaths: NO_TEXTS, ReadonlyPaths: NO_TEXTS };
  const { maskedPaths, readonlyPaths } = hiddenPaths(security?.systemPaths === "unconfined");
  return {
    MaskedPaths: new List(maskedPaths, "[]string"),
    ReadonlyPaths: new List(readonlyPaths, "[]string"),
  };
}

/** Of what dhow has no option for there are docker's defaults. */
function describeHostConfig({ config: { options } }: ContainerRecord): Struct {
  const { driver, maxSize, maxFiles } = options.log;
  const log = new Map<string, string>(
    maxSize === undefined || driver === "none"
      ? []
      : [["max-file", String(maxFiles)], ["max-size", String(maxSize)]],
  );
  const values = {
    ContainerIDFile: options.cidFile ?? "",
    LogConfig: plain("container.LogConfig", { Type: driver, Config: new GoMap(log) }),
    NetworkMode: options.network === "bridge" ? options.networks?.[0]?.network ?? "default" : options.network,
    PortBindings: describePorts(options.ports ?? []),
    RestartPolicy: plain("container.RestartPolicy", {
      Name: options.restart.name,
      MaximumRetryCount: options.restart.retries,
    }),
    AutoRemove: options.remove,
    VolumeDriver: "",
    VolumesFrom: texts(
      options.volumesFrom.map(({ container, mode }) => mode === "" ? container : `${container}:${mode}`),
    ),
    CapAdd: texts(options.security?.capAdd ?? []),
    CapDrop: texts(options.security?.capDrop ?? []),
    CgroupnsMode: options.cgroupNamespace ?? "private",
    Dns: new List(options.dns),
    DnsOptions: new List(options.dnsOptions),
    DnsSearch: new List(options.dnsSearch),
    ExtraHosts: texts(options.extraHosts),
    GroupAdd: texts(options.groups),
    IpcMode: options.ipc,
    Cgroup: "",
    Links: NO_TEXTS,
    OomScoreAdj: options.oomScoreAdjustment ?? 0,
    PidMode: options.pid === "private" ? "" : options.pid,
    Privileged: options.security?.privileged ?? false,
    PublishAllPorts: options.publishAll === true,
    ReadonlyRootfs: options.readOnly === true,
    SecurityOpt: texts(securityOptions(options)),
    UTSMode: options.uts === "host" ? "host" : "",
    UsernsMode: !options.userNamespace ? "" : options.autoIds === undefined ? "private" : "auto",
    ...(options.ids === undefined ? {} : { IDMappings: describeIds(options.ids) }),
    ShmSize: options.sharedMemorySize ?? 64 << 20,
    Runtime: "dhow",
    Init: options.init,
    ...describeLimits(options),
    Ulimits: rlimits(options.rlimits ?? []),
    ...hidden(options.security),
    ...(options.sysctls === undefined
      ? {}
      : { Sysctls: new GoMap(new Map<string, Value>(Object.entries(options.sysctls))) }),
  };
  const fields = Object.entries(values).map(([name, value]): Field => ({ name, value }));
  return new Struct("*container.HostConfig", [...describeRequests(options.mounts ?? []), ...fields]);
}

/** As podman has it: docker knows none of one container's own. */
function describeIds({ uids, gids }: IdMappings): Struct {
  const list = (mappings: readonly IdMapping[]) =>
    texts(mappings.map(({ containerID, hostID, size }) => `${containerID}:${hostID}:${size}`));
  return plain("*define.InspectIDMappings", { UidMap: list(uids), GidMap: list(gids) });
}

const driverName = ({ config }: ContainerRecord) => config.options.driver ?? "overlay";

function describeLayers({ record, stateFolder, runFolder, isRunning }: ShownContainer): Struct {
  const folders = new Map<string, Value>([
    ["UpperDir", `${stateFolder}/diff`],
    ["WorkDir", `${stateFolder}/work`],
    ...(isRunning ? [["MergedDir", `${runFolder}/merged`] as const] : []),
  ]);
  return plain("types.GraphDriverData", { Data: new GoMap(folders), Name: driverName(record) });
}

function describePorts(ports: readonly PublishedPort[]): GoMap {
  const bindings = new Map<string, Value>();
  for (const port of ports) {
    const same = ports.filter((other) => containerSide(other) === containerSide(port));
    bindings.set(
      containerSide(port),
      new List(
        same.map(({ ip, hostPort }) =>
          plain("nat.PortBinding", { HostIp: ip, HostPort: hostPort === 0 ? "" : String(hostPort) })
        ),
        "[]nat.PortBinding",
      ),
    );
  }
  return new GoMap(bindings, "nat.PortMap");
}

/** What both the container's settings and its places say. */
function describeAddresses(endpoint: Endpoint | undefined): Readonly<Record<string, Value>> {
  const { address, address6, network, hardwareAddress = "" } = endpoint ?? {};
  const six = address6 === undefined ? undefined : network?.six;
  return {
    Gateway: network === undefined || network.internal ? "" : formatAddress(network.gateway),
    IPAddress: address === undefined ? "" : formatAddress(address),
    IPPrefixLen: network?.subnet.prefix ?? 0,
    IPv6Gateway: six?.gateway ?? "",
    GlobalIPv6Address: address6 ?? "",
    GlobalIPv6PrefixLen: six?.prefix ?? 0,
    MacAddress: hardwareAddress,
  };
}

/** What a user has asked for, of docker's network.EndpointIPAMConfig. */
function describeRequest({ address = "", address6 = "" }: Partial<Attachment>): Value {
  if (address === "" && address6 === "") return new Nil("*network.EndpointIPAMConfig");
  return new Struct("*network.EndpointIPAMConfig", [
    { name: "IPv4Address", value: address, omitEmpty: true },
    { name: "IPv6Address", value: address6, omitEmpty: true },
  ]);
}

function describePlace({ record: { id, name, config } }: ShownContainer, shown: ShownNetwork): Struct {
  const { endpoint } = shown;
  const wanted = attachmentsOf(config.options).find(({ network }) => network === shown.name);
  const isUsers = shown.name !== DEFAULT_NETWORK && config.options.network === "bridge";
  const aliases = [...wanted?.aliases ?? [], ...(isUsers ? [id.slice(0, 12)] : [])];
  return plain("*network.EndpointSettings", {
    IPAMConfig: describeRequest(wanted ?? {}),
    Links: NO_TEXTS,
    Aliases: aliases.length === 0 ? NO_TEXTS : texts(aliases),
    NetworkID: shown.id,
    EndpointID: endpoint === undefined ? "" : id,
    ...describeAddresses(endpoint),
    DriverOpts: new GoMap(new Map(), "map[string]string", "", true),
    // newer than docker 20.10: the names by which others find it
    DNSNames: isUsers ? texts([name, ...aliases]) : NO_TEXTS,
  });
}

function describeNetworks(shown: ShownContainer): Struct {
  const { record: { id, config }, networks, isRunning } = shown;
  // docker tells here of the default network only
  const endpoint = networks.find(({ name }) => name === DEFAULT_NETWORK)?.endpoint;
  const isJoined = joinedContainer(config.options.network) !== undefined;
  return plain("*types.NetworkSettings", {
    Bridge: "",
    SandboxID: isRunning && !isJoined ? id : "",
    HairpinMode: false,
    LinkLocalIPv6Address: "",
    LinkLocalIPv6PrefixLen: 0,
    Ports: describePorts(shown.ports),
    SandboxKey: "",
    SecondaryIPAddresses: new List([], "[]network.Address", true),
    SecondaryIPv6Addresses: new List([], "[]network.Address", true),
    EndpointID: endpoint === undefined ? "" : id,
    ...describeAddresses(endpoint),
    Networks: new GoMap(
      new Map(networks.map((network) => [network.name, describePlace(shown, network)])),
      "map[string]*network.EndpointSettings",
      new Nil("*network.EndpointSettings"),
    ),
  });
}
