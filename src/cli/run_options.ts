import {
  hasOwnIds,
  type NetworkMode,
  PULL_POLICIES,
  type PullPolicy,
  type RunOptions,
} from "../container/options.ts";
import { log } from "../log.ts";
import { parsePublished } from "../network/ports.ts";
import { isUserNetwork } from "../network/user_network.ts";
import { isRootless } from "../state/user_namespace.ts";
import { parseName } from "../container/names.ts";
import { signalName } from "./container/signal_names.ts";
import { OptionError, UsageError } from "../errors.ts";
import { ATTACH, DETACH_KEYS, readStreams, SIG_PROXY } from "./attach_options.ts";
import type { Invocation, Option, ParsedOptions } from "./command.ts";
import { CONFINEMENT_OPTIONS, readConfinement } from "./confinement_options.ts";
import { DOCKER_OPTIONS, refuseOptions } from "./docker_options.ts";
import { readEnvFile } from "./env_file.ts";
import { HEALTH_OPTIONS, readHealthcheck } from "./health_options.ts";
import { splitLabel } from "./labels.ts";
import { LIMIT_OPTIONS, readDevices, readLimits } from "./limit_options.ts";
import { LOG_OPTIONS, readLogOptions } from "./log_options.ts";
import { NAME_OPTIONS, readNames } from "./name_options.ts";
import { MOUNT_OPTIONS, parseVolumesFrom, readMounts } from "./mount_options.ts";
import { readNamespaces } from "./namespace_options.ts";
import { NETWORK_OPTIONS, readNetwork } from "./network_options.ts";
import { readSecurity, SECURITY_OPTIONS } from "./security_options.ts";
import { readVariable } from "./variable.ts";
import { INSECURE, PLATFORM, readPlatform } from "./registry_options.ts";
import { readRestart, RESTART } from "./restart_option.ts";
import { readUserNamespace, USERNS_OPTIONS } from "./userns_options.ts";

/** The options of `run` that `create` lacks: for who stays with the container. */
const ONLY_FOR_RUN: readonly Option[] = [
  { name: "detach", short: "d", help: "do not wait for its end; print its id" },
  SIG_PROXY,
  DETACH_KEYS,
];

/** The options of `run`, docker's. */
export const RUN_OPTIONS: readonly Option[] = [
  { name: "interactive", short: "i", help: "connect standard input" },
  { name: "tty", short: "t", help: "give the container a terminal" },
  ...ONLY_FOR_RUN,
  ATTACH,
  {
    name: "rm",
    help: "remove it when it ends; run without --detach does, unless given --rm=false or --restart",
  },
  { name: "name", value: "NAME", help: "name the container" },
  { name: "hostname", short: "h", value: "NAME", help: "its host name (default: its short id)" },
  ...NETWORK_OPTIONS,
  {
    name: "publish",
    short: "p",
    value: "[[IP:]HOST:]PORT[/tcp|udp]",
    repeats: true,
    help: "let a port of the host lead into it; ranges are possible",
  },
  { name: "publish-all", short: "P", help: "let free ports of the host lead to all that are exposed" },
  ...NAME_OPTIONS,
  { name: "entrypoint", value: "PROGRAM", help: "replace the image's entrypoint" },
  {
    name: "env",
    short: "e",
    value: "NAME=VALUE",
    repeats: true,
    help: "set a variable; without =VALUE pass the caller's on",
  },
  { name: "workdir", short: "w", value: "DIR", help: "working directory" },
  { name: "user", short: "u", value: "USER[:GROUP]", help: "run as this user, by name or number" },
  { name: "group-add", value: "GROUP", repeats: true, help: "a group that the user is in besides" },
  {
    name: "pull",
    value: "POLICY",
    help: "download the image if it is missing (default), always, or never",
  },
  PLATFORM,
  INSECURE,
  { name: "quiet", short: "q", help: "do not tell how a download goes" },
  {
    name: "verify",
    help: "hash the layers of an archive first (those in the store were hashed when they were loaded)",
  },
  ...USERNS_OPTIONS,
  {
    name: "label",
    short: "l",
    value: "NAME=VALUE",
    repeats: true,
    help: "describe it, for lists and filters",
  },
  {
    name: "label-file",
    value: "FILE",
    repeats: true,
    help: "describe it by the lines of a file; --label wins",
  },
  {
    name: "expose",
    value: "PORT[-PORT][/tcp|udp|sctp]",
    repeats: true,
    help: "tell in inspect that it listens there",
  },
  { name: "stop-signal", value: "SIGNAL", help: "what asks it to end (default: the image's, or SIGTERM)" },
  {
    name: "stop-timeout",
    value: "SECONDS",
    help: "how long it then has, before it is killed (default: 10; -1: for ever)",
  },
  ...LOG_OPTIONS,
  RESTART,
  {
    name: "env-file",
    value: "FILE",
    repeats: true,
    help: "set the variables in a file, one a line; --env wins",
  },
  { name: "cidfile", value: "FILE", help: "write the container's id to this file, which must not be there" },
  { name: "init", help: "let an init of dhow's be process 1: it hands signals on and reaps" },
  { name: "pid", value: "MODE", help: "private (default), host or container:NAME: whose processes it sees" },
  {
    name: "ipc",
    value: "MODE",
    help: "private (default), shareable, none, host or container:NAME: whose shared memory and queues",
  },
  { name: "uts", value: "MODE", help: "private (default) or host: whose host name" },
  ...MOUNT_OPTIONS,
  ...CONFINEMENT_OPTIONS,
  ...HEALTH_OPTIONS,
  ...SECURITY_OPTIONS,
  ...LIMIT_OPTIONS,
  ...DOCKER_OPTIONS,
];

export const CREATE_OPTIONS: readonly Option[] = RUN_OPTIONS.filter((option) =>
  !ONLY_FOR_RUN.includes(option)
);

const isPullPolicy = (text: string): text is PullPolicy => PULL_POLICIES.some((policy) => policy === text);

/** Makes an error of a reason and what to do. */
export type Wrong = (why: string, hint?: string) => UsageError;

/** @throws {UsageError} when options contradict each other or have impossible values */
export function readRunOptions({ options, args }: Invocation): RunOptions {
  const what = "cannot run a container";
  const wrong = (why: string, hint?: string) =>
    new UsageError({ what, why, ...(hint === undefined ? {} : { hint }) });
  // what docker's client refuses by itself; the rest has another exit code for `create`
  const malformed = (why: string) => new OptionError({ what, why });
  // empty is as good as not given, which scripts rely on
  const given = (name: string) => options.text(name) || undefined;
  const [image, ...command] = args;
  if (image === undefined) throw wrong("no IMAGE was given", "see: dhow run --help");
  refuseOptions(options, wrong);
  const choice = readNetwork(options, wrong);
  const pull = options.text("pull") ?? "missing";
  if (!isPullPolicy(pull)) {
    throw wrong(`there is no --pull ${JSON.stringify(pull)}`, `--pull takes ${PULL_POLICIES.join(", ")}`);
  }
  const hostname = given("hostname");
  if (hostname !== undefined && !/^[a-zA-Z0-9]([a-zA-Z0-9.-]{0,62})$/.test(hostname)) {
    throw wrong(`${JSON.stringify(hostname)} is not a host name`, "it has up to 63 of a-z A-Z 0-9 . -");
  }
  const name = given("name");
  const workingDir = given("workdir");
  if (workingDir !== undefined && !workingDir.startsWith("/")) {
    throw wrong(`the working directory ${JSON.stringify(workingDir)} is not an absolute path`);
  }
  const restart = readRestart(options.text("restart") ?? "", what);
  if (restart.name !== "no" && options.flag("rm")) throw malformed("Conflicting options: --restart and --rm");
  const healthcheck = readHealthcheck(options);
  const security = readSecurity(options, wrong);
  const limits = readLimits(options, what);
  const { keptUser, ...userNamespace } = readUserNamespace(options, wrong);
  const mounts = readMounts(options);
  if (!hasOwnIds(userNamespace) && mounts.some((mount) => mount.type === "bind" && mount.idmap === true)) {
    throw wrong("idmap is for containers with ids of their own", "add --userns auto");
  }
  return {
    image,
    pull,
    platform: readPlatform(options),
    insecure: options.flag("insecure"),
    quiet: options.flag("quiet"),
    command,
    interactive: options.flag("interactive"),
    terminal: options.flag("tty"),
    name: name && parseName(name),
    hostname,
    ...choice,
    ...readNames(options, wrong),
    entrypoint: options.text("entrypoint"),
    env: [...options.list("env-file").flatMap((path) => readEnvFile(path)), ...options.list("env")].flatMap((
      entry,
    ) => readVariable(entry, malformed)),
    workingDir,
    user: given("user") ?? keptUser,
    ...userNamespace,
    verify: options.flag("verify"),
    detach: options.flag("detach"),
    attach: readStreams(options),
    remove: options.flag("rm"),
    stopSignal: readSignal(options.text("stop-signal"), wrong),
    stopTimeout: readSeconds(options.text("stop-timeout"), malformed),
    labels: readLabels(options, malformed),
    log: readLogOptions(options, wrong),
    restart,
    cidFile: given("cidfile"),
    init: options.flag("init"),
    ...readNamespaces(options, wrong),
    mounts,
    volumesFrom: options.list("volumes-from").map(parseVolumesFrom),
    groups: options.list("group-add"),
    exposed: options.list("expose").flatMap((text) => readPorts(text, wrong)),
    ...readConfinement(options, wrong, malformed),
    ...(healthcheck === undefined ? {} : { healthcheck }),
    ...(security === undefined ? {} : { security }),
    ...(limits === undefined ? {} : { limits }),
    ...readDevices(options, what),
    ...readPublished(options, choice.network, wrong, malformed),
  };
}

/** @throws {UsageError} for names that docker refuses */
function readLabels(options: ParsedOptions, malformed: Wrong): Record<string, string> {
  // docker drops lines without a value
  const lines = options.list("label-file").flatMap((path) => readEnvFile(path, "labels"))
    .filter((line) => line.includes("="));
  const labels = [...lines, ...options.list("label")].map(splitLabel);
  for (const [name] of labels) {
    if (name === "") throw malformed("a label has no name");
    if (/\s/.test(name)) throw malformed(`label '${name}' contains whitespaces`);
  }
  return Object.fromEntries(labels);
}

/** @throws {UsageError} for what is no port, and what an ordinary user cannot publish */
function readPublished(
  options: ParsedOptions,
  network: NetworkMode,
  wrong: Wrong,
  malformed: Wrong,
): Pick<RunOptions, "ports" | "publishAll"> {
  const texts = options.list("publish");
  const publishAll = options.flag("publish-all");
  if (texts.length === 0 && !publishAll) return {};
  const ports = texts.flatMap((text) => parsePublished(text, malformed));
  if (isRootless() && ports.some(({ protocol }) => protocol === "sctp")) {
    throw wrong("only ports of tcp and udp can be published");
  }
  if (isRootless() && publishAll) {
    throw wrong("--publish-all is for root's networks", "publish what you need: --publish HOST:PORT");
  }
  if (network === "none" && options.list("network").length === 0) {
    throw wrong("ports cannot be published: the container has no network", "leave --publish out");
  }
  if (network !== "bridge" && !isUserNetwork(network)) {
    log.warn(`Published ports are discarded when using ${network} network mode`);
    return {};
  }
  return { ...(ports.length === 0 ? {} : { ports }), ...(publishAll ? { publishAll } : {}) };
}

const LAST_PORT = 65535;

/** `80`, `80-82/udp` as `80/tcp` each. */
function readPorts(text: string, wrong: Wrong): string[] {
  const [, first = "", last = first, protocol = "tcp"] =
    /^(\d{1,5})(?:-(\d{1,5}))?(?:\/(tcp|udp|sctp))?$/i.exec(text) ?? [];
  const [from, to] = [Number(first || NaN), Number(last || NaN)];
  if (!(from >= 1 && from <= to && to <= LAST_PORT)) {
    throw wrong(`invalid range format for --expose: ${text}`, "write: --expose PORT[-PORT][/tcp|udp|sctp]");
  }
  return Array.from({ length: to - from + 1 }, (_, index) => `${from + index}/${protocol.toLowerCase()}`);
}

function readSignal(text: string | undefined, wrong: Wrong): string | undefined {
  if (text === undefined) return undefined;
  const name = signalName(text);
  if (name === undefined) throw wrong(`there is no signal ${JSON.stringify(text)}`);
  return name;
}

function readSeconds(text: string | undefined, wrong: Wrong): number | undefined {
  if (text === undefined) return undefined;
  if (!/^-?\d{1,9}$/.test(text)) throw wrong(`${JSON.stringify(text)} is no number of seconds`);
  return Number(text);
}
