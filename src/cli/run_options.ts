import {
  type LogOptions,
  type NetworkMode,
  PULL_POLICIES,
  type PullPolicy,
  type RunOptions,
  type Sharing,
} from "../container/options.ts";
import { parseName } from "../container/names.ts";
import { signalName } from "./container/signal_names.ts";
import { parseAddress } from "../network/subnet.ts";
import { OptionError, UsageError } from "../errors.ts";
import type { Invocation, Option, ParsedOptions } from "./command.ts";
import { readEnvFile } from "./env_file.ts";
import { readVariable } from "./variable.ts";
import { MOUNT_OPTIONS, readMounts } from "./mount_options.ts";
import { INSECURE, PLATFORM, readPlatform } from "./registry_options.ts";
import { readRestart, RESTART } from "./restart_option.ts";

/** The options of `run`, docker's. */
export const RUN_OPTIONS: readonly Option[] = [
  { name: "interactive", short: "i", help: "connect standard input" },
  { name: "tty", short: "t", help: "give the container a terminal" },
  { name: "detach", short: "d", help: "do not wait for its end; print its id" },
  { name: "rm", help: "remove the container when it ends (always done without --detach)" },
  { name: "name", value: "NAME", help: "name the container" },
  { name: "hostname", short: "h", value: "NAME", help: "its host name (default: its short id)" },
  { name: "network", formerName: "net", value: "MODE", help: "bridge (default), none or host" },
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
  {
    name: "label-file",
    value: "FILE",
    repeats: true,
    help: "the labels in a file, one a line; --label wins",
  },
  { name: "stop-signal", value: "SIGNAL", help: "what asks it to end (default: the image's, or SIGTERM)" },
  {
    name: "stop-timeout",
    value: "SECONDS",
    help: "how long it then has, before it is killed (default: 10; -1: for ever)",
  },
  { name: "log-driver", value: "DRIVER", help: "json-file, the only one: how dhow keeps logs" },
  {
    name: "log-opt",
    value: "NAME=VALUE",
    repeats: true,
    help: "max-size=10m: begin a new log at that size; max-file=3: keep so many of them",
  },
  RESTART,
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
  const what = "cannot run a container";
  const wrong = (why: string, hint?: string) =>
    new UsageError({ what, why, ...(hint === undefined ? {} : { hint }) });
  // what docker's client refuses by itself; the rest has another exit code for `create`
  const malformed = (why: string) => new OptionError({ what, why });
  // empty is as good as not given, which scripts rely on
  const given = (name: string) => options.text(name) || undefined;
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
  const driver = given("log-driver") ?? "json-file";
  if (driver !== "json-file" && driver !== "local") {
    throw wrong(`there is no log driver ${JSON.stringify(driver)}`, "leave --log-driver out");
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
    name: name && parseName(name),
    hostname,
    network,
    address,
    dns: options.list("dns"),
    entrypoint: options.text("entrypoint"),
    env: [...options.list("env-file").flatMap((path) => readEnvFile(path)), ...options.list("env")].flatMap((
      entry,
    ) => readVariable(entry, malformed)),
    workingDir,
    user: given("user"),
    userNamespace: options.flag("userns"),
    verify: options.flag("verify"),
    detach: options.flag("detach"),
    remove: options.flag("rm"),
    stopSignal: readSignal(options.text("stop-signal"), wrong),
    stopTimeout: readSeconds(options.text("stop-timeout"), malformed),
    labels: readLabels(options, malformed),
    log: readLogOptions(options.list("log-opt"), wrong),
    restart,
    cidFile: given("cidfile"),
    init: options.flag("init"),
    ...readSharing(options, wrong),
    mounts: readMounts(options),
  };
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

/** @throws {UsageError} for names that docker refuses */
function readLabels(options: ParsedOptions, malformed: Wrong): Record<string, string> {
  const fromFiles = options.list("label-file").flatMap((path) => readEnvFile(path, "labels"));
  const labels = [...fromFiles, ...options.list("label")].map(splitLabel);
  for (const [name] of labels) {
    if (name === "") throw malformed("a label has no name");
    if (/\s/.test(name)) throw malformed(`label '${name}' contains whitespaces`);
  }
  return Object.fromEntries(labels);
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
  if (!/^-?\d{1,9}$/.test(text)) throw wrong(`${JSON.stringify(text)} is no number of seconds`);
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
