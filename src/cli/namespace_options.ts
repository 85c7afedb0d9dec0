/** Which namespaces a container has for itself, with docker's words for what cannot be (docker's runconfig/errors.go). */
import { joinedContainer, type NetworkMode, type RunOptions } from "../container/options.ts";
import { log } from "../log.ts";
import { hostNetwork } from "../network/host_routes.ts";
import { isUserNetwork, USER_NETWORKS } from "../network/user_network.ts";
import { findProgram } from "../plan/program.ts";
import { isRootless } from "../state/user_namespace.ts";
import type { ParsedOptions } from "./command.ts";
import type { Wrong } from "./run_options.ts";
import { hasUserNamespace } from "./userns_options.ts";

/** Options that a container with the network of another cannot have, and how docker calls them. */
const NOT_WITH_JOINED_NETWORK: Readonly<Record<string, string>> = {
  "hostname": "hostname and the network mode",
  "dns": "dns and the network mode",
  "add-host": "custom host-to-IP mapping and the network mode",
  "expose": "port exposing and the container type network mode",
  "publish": "port publishing and the container type network mode",
};

function isGiven(options: ParsedOptions, name: string): boolean {
  return options.text(name) !== undefined || options.list(name).length > 0;
}

const isJoined = (mode: string): mode is `container:${string}` => joinedContainer(mode) !== undefined;

/** @throws {UsageError} when there is no such network, or it contradicts other options */
export function readNetwork(options: ParsedOptions, wrong: Wrong): NetworkMode {
  const mode = options.text("network") ?? "default";
  if (isJoined(mode)) {
    if (joinedContainer(mode) === "") {
      throw wrong("Invalid network mode", "invalid container format container:<name|id>");
    }
    for (const [name, conflict] of Object.entries(NOT_WITH_JOINED_NETWORK)) {
      if (isGiven(options, name)) throw wrong(`conflicting options: ${conflict}`, `leave out --${name}`);
    }
    return mode;
  }
  if (mode === "none" || mode === "host") return mode;
  if (isRootless()) {
    if (mode === "default") return ordinaryNetwork();
    if (isUserNetwork(mode)) return mode;
    if (mode === "bridge") {
      throw wrong(
        "only root can make a bridge",
        "leave --network out, or give pasta, slirp4netns, none, host",
      );
    }
  }
  if (mode === "bridge" || mode === "default") return "bridge";
  if (isUserNetwork(mode)) {
    throw wrong(`--network ${mode} is for ordinary users`, "root has --network bridge");
  }
  throw wrong(
    `there is no network ${JSON.stringify(mode)}`,
    "--network takes bridge, none, host, container:NAME",
  );
}

/** What an ordinary user's containers have unless told otherwise: whatever is installed. */
function ordinaryNetwork(): NetworkMode {
  const installed = USER_NETWORKS.filter((program) => findProgram(program) !== undefined);
  const [first] = installed;
  // pasta has nothing to take after on a host that is connected to nothing
  const found = first === "pasta" && hostNetwork().kind === "alone" ? installed[1] : first;
  if (found === undefined && first !== undefined) {
    log.warn("the container has no network: the host has none, where pasta cannot work, and no slirp4netns");
    return "none";
  }
  if (found === undefined) {
    log.warn(
      "the container has no network: neither pasta nor slirp4netns is installed (Debian: apt-get install passt)",
    );
  }
  return found ?? "none";
}

/** @throws {UsageError} when there is no such mode, or it contradicts other options */
export function readNamespaces(
  options: ParsedOptions,
  wrong: Wrong,
): Pick<RunOptions, "pid" | "ipc" | "uts"> {
  const mode = (name: string) => options.text(name) || "private";
  const [pid, ipc, uts] = [mode("pid"), mode("ipc"), mode("uts")];
  const isShared = (text: string) => text === "host" || isJoined(text);
  const joinsNobody = [pid, ipc].find((text) => joinedContainer(text) === "");
  if (joinsNobody !== undefined) throw wrong("no container is named after container:");
  if (pid !== "private" && !isShared(pid)) {
    throw wrong(`--pid: invalid PID mode ${JSON.stringify(pid)}`, "there are private, host, container:NAME");
  }
  if (ipc !== "private" && ipc !== "shareable" && ipc !== "none" && !isShared(ipc)) {
    throw wrong(
      `Invalid IPC mode: ${JSON.stringify(ipc)}`,
      "there are private, shareable, none, host, container:NAME",
    );
  }
  if (uts !== "private" && uts !== "host") {
    throw wrong(`--uts: invalid UTS mode ${JSON.stringify(uts)}`, "there are private and host");
  }
  if (hasUserNamespace(options)) {
    const shared = Object.entries({
      pid,
      ipc,
      uts,
      network: options.text("network") ?? "",
    })
      .find(([name, text]) => name === "network" ? isJoined(text) : isShared(text));
    if (shared !== undefined) {
      throw wrong(`--${shared[0]} ${shared[1]} and a user namespace (--userns) contradict each other`);
    }
  }
  if (uts === "host" && options.text("hostname") !== undefined) {
    throw wrong("conflicting options: hostname and the UTS mode");
  }
  return { pid, ipc, uts } as Pick<RunOptions, "pid" | "ipc" | "uts">;
}
