import {
  type LogOptions,
  type NetworkMode,
  PULL_POLICIES,
  type PullPolicy,
  type RestartPolicy,
  type RunOptions,
  type Sharing,
} from "../container/options.ts";
import { signalName } from "./container/signal_names.ts";
import { parseAddress } from "../network/subnet.ts";
import { UsageError } from "../errors.ts";
import type { Invocation, Option, ParsedOptions } from "./command.ts";
import { readEnvFile } from "./env_file.ts";
import { readVariable } from "./variable.ts";
import { MOUNT_OPTIONS, readMounts } from "./mount_options.ts";
import { INSECURE, PLATFORM, readPlatform } from "./registry_options.ts";

/** The options of `run`, docker's. */
export const RUN_OPTIONS: readonly Option[] = [
  { name: "interactive", short: "i", help: "connect standard input" },
  { name: "tty", short: "t", help: "give the container a terminal" },
  { name: "detach", short: "d", help: "do not wait for its end; print its id" },
  { name: "rm", help: "remove the container when it ends (always done without --detach)" },
  { name: "name", value: "NAME", help: "name the container" },
  { name: "hostname", short: "h", value: "NAME", help: "its host name (default: its short id)" },
  { name: "network", value: "MODE", help: "bridge (default), none or host" },
  { name: "ip", value: "ADDRESS", help: "its address in the bridge's network" },
  { name: "dns", value: "SERVER", repeats: true, help: "name server to use instead of the host's" },
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
  { name: "userns", help: "in a user namespace of its own, its root being the caller" },
  {
    name: "label",
    short: "l",
    value: "NAME=VALUE",
    repeats: true,
    help: "describe it, for lists and filters",
  },
  { name: "stop-signal", value: "SIGNAL", help: "what asks it to end (default: the image's, or SIGTERM)" },
  { name: "stop-timeout", value: "SECONDS", help: "how long it then has, before it is killed (default: 10)" },
  {
    name: "log-opt",
    value: "NAME=VALUE",
    repeats: true,
    help: "max-size=10m: begin a new log at that size; max-file=3: keep so many of them",
  },
  {
    name: "restart",
    value: "POLICY",
    help: "start it again when it ends: no (default), on-failure[:TIMES], always, unless-stopped",
  },
  {
    name: "env-file",
    value: "FILE",
    repeats: true,
    help: "set the variables in a file, one a line; --env wins",
  },
  { name: "cidfile", value: "FILE", help: "write the container's id to this file, which must not be there" },
  { name: "init", help: "let an init of dhow's be process 1: it hands signals on and reaps" },
  { name: "pid", value: "MODE", help: "private (default) or host: whose processes it sees" },
  {
    name: "ipc",
    value: "MODE",
    help: "private (default), shareable or host: whose shared memory and queues",
  },
  { name: "uts", value: "MODE", help: "private (default) or host: whose host name" },
  ...MOUNT_OPTIONS,
];

function isAddress(text: string): boolean {
  return parseAddress(text) !== undefined || (text.includes(":") && URL.canParse(`http://[${text}]`));
}

const NETWORK_MODES: readonly string[] = ["bridge", "none", "host"] satisfies NetworkMode[];
const isNetworkMode = (text: string): text is NetworkMode => NETWORK_MODES.includes(text);

const isPullPolicy = (text: string): text is PullPolicy => PULL_POLICIES.some((policy) => policy === text);

/** Makes an error of a reason and what to do. */
type Wrong = (why: string, hint?: string) => UsageError;

/** @throws {UsageError} when options contradict each other or have impossible values */
export function readRunOptions({ options, args }: Invocation): RunOptions {
  const wrong = (why: string, hint?: string) =>
    new UsageError({ what: "cannot run a container", why, ...(hint === undefined ? {} : { hint }) });
  const [image, ...command] = args;
  if (image === undefined) throw wrong("no IMAGE was given", "see: dhow run --help");
  const network = options.text("network") ?? "bridge";
  if (!isNetworkMode(network)) {
    throw wrong(
      `there is no network ${JSON.stringify(network)}`,
      `--network takes ${NETWORK_MODES.join(", ")}`,
    );
  }
  const pull = options.text("pull") ?? "missing";
  if (!isPullPolicy(pull)) {
    throw wrong(`there is no --pull ${JSON.stringify(pull)}`, `--pull takes ${PULL_POLICIES.join(", ")}`);
  }
  const address = options.text("ip");
  if (address !== undefined && network !== "bridge") throw wrong("--ip needs --network bridge");
  const hostname = options.text("hostname");
  if (hostname !== undefined && !/^[a-zA-Z0-9]([a-zA-Z0-9.-]{0,62})$/.test(hostname)) {
    throw wrong(`${JSON.stringify(hostname)} is not a host name`, "it has up to 63 of a-z A-Z 0-9 . -");
  }
  const workingDir = options.text("workdir");
  if (workingDir !== undefined && !workingDir.startsWith("/")) {
    throw wrong(`the working directory ${JSON.stringify(workingDir)} is not an absolute path`);
  }
  for (const server of options.list("dns")) {
    if (!isAddress(server)) {
      throw wrong(`${JSON.stringify(server)} is not the address of a name server`);
    }
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
    name: options.text("name"),
    hostname,
    network,
    address,
    dns: options.list("dns"),
    entrypoint: options.text("entrypoint"),
    env: [...options.list("env-file").flatMap(readEnvFile), ...options.list("env")].flatMap((entry) =>
      readVariable(entry, wrong)
    ),
    workingDir,
    user: options.text("user"),
    userNamespace: options.flag("userns"),
    verify: options.flag("verify"),
    detach: options.flag("detach"),
    remove: options.flag("rm"),
    stopSignal: readSignal(options.text("stop-signal"), wrong),
    stopTimeout: readSeconds(options.text("stop-timeout"), wrong),
    labels: Object.fromEntries(options.list("label").map((text) => splitLabel(text))),
    log: readLogOptions(options.list("log-opt"), wrong),
    restart: readRestart(options.text("restart") ?? "no", options.flag("rm"), wrong),
    cidFile: options.text("cidfile"),
    init: options.flag("init"),
    ...readSharing(options, wrong),
    mounts: readMounts(options),
  };
}

const RESTART_POLICIES: readonly string[] = [
  "no",
  "on-failure",
  "always",
  "unless-stopped",
] satisfies RestartPolicy[
  "name"
][];

function readRestart(text: string, removes: boolean, wrong: Wrong): RestartPolicy {
  const [, name = "no", times] = /^([a-z-]*)(?::(\d{1,9}))?$/.exec(text) ?? [undefined, "?"];
  const policy = name === "" ? "no" : name;
  if (!RESTART_POLICIES.includes(policy) || (times !== undefined && policy !== "on-failure")) {
    throw wrong(
      `there is no restart policy ${JSON.stringify(text)}`,
      "--restart takes no, on-failure[:TIMES], always, unless-stopped",
    );
  }
  if (policy !== "no" && removes) throw wrong("Conflicting options: --restart and --rm");
  return { name: policy as RestartPolicy["name"], retries: Number(times ?? 0) };
}

function readSharing(options: ParsedOptions, wrong: Wrong): Record<"pid" | "ipc" | "uts", Sharing> {
  const read = (name: "pid" | "ipc" | "uts"): Sharing => {
    const mode = options.text(name) || "private";
    if (mode === "private" || (name === "ipc" && mode === "shareable")) return "private";
    if (mode !== "host") {
      const why = mode.startsWith("container:")
        ? `--${name} cannot join another container's namespace yet`
        : `there is no --${name} ${JSON.stringify(mode)}`;
      throw wrong(why, `--${name} takes private or host`);
    }
    if (options.flag("userns")) throw wrong(`--${name} host and --userns contradict each other`);
    if (name === "uts" && options.text("hostname") !== undefined) {
      throw wrong("--hostname and --uts host contradict each other");
    }
    return "host";
  };
  return { pid: read("pid"), ipc: read("ipc"), uts: read("uts") };
}

function splitLabel(text: string): [name: string, value: string] {
  const at = text.indexOf("=");
  return at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
}

function readSignal(text: string | undefined, wrong: Wrong): string | undefined {
  if (text === undefined) return undefined;
  const name = signalName(text);
  if (name === undefined) throw wrong(`there is no signal ${JSON.stringify(text)}`);
  return name;
}

function readSeconds(text: string | undefined, wrong: Wrong): number | undefined {
  if (text === undefined) return undefined;
  if (!/^\d{1,9}$/.test(text)) throw wrong(`${JSON.stringify(text)} is no number of seconds`);
  return Number(text);
}

/** Bytes of docker's units (github.com/docker/go-units, RAMInBytes). */
const UNITS: Readonly<Record<string, number>> = {
  "": 1,
  b: 1,
  k: 1024,
  m: 1024 ** 2,
  g: 1024 ** 3,
  t: 1024 ** 4,
};

/** Names of them have to be made when the monitor is. */
const MAX_LOG_FILES = 100;

function readLogOptions(texts: readonly string[], wrong: Wrong): LogOptions {
  let maxSize: number | undefined;
  let maxFiles = 1;
  for (const [name, value] of texts.map(splitLabel)) {
    if (name === "max-size") {
      const [, digits, unit] = /^(\d+(?:\.\d+)?) ?([kmgt]?)(?:i?b)?$/i.exec(value) ?? [];
      const size = Math.floor(Number(digits) * (UNITS[unit?.toLowerCase() ?? ""] ?? NaN));
      if (!Number.isSafeInteger(size) || size < 1) {
        throw wrong(`${JSON.stringify(value)} is no size of a log`);
      }
      maxSize = size;
    } else if (name === "max-file") {
      maxFiles = Number(value);
      if (!/^\d{1,3}$/.test(value) || maxFiles < 1 || maxFiles > MAX_LOG_FILES) {
        throw wrong(`${JSON.stringify(value)} is no number of logs from 1 to ${MAX_LOG_FILES}`);
      }
    } else {
      throw wrong(`there is no log option ${JSON.stringify(name)}`, "there are max-size and max-file");
    }
  }
  if (maxFiles > 1 && maxSize === undefined) throw wrong("max-file needs max-size");
  return { maxSize, maxFiles };
}
