/** Which namespaces a container has for itself, with docker's words for what cannot be (docker's runconfig/errors.go). */
import { joinedContainer, type RunOptions } from "../container/options.ts";
import type { ParsedOptions } from "./command.ts";
import { networkModeOf } from "./network_options.ts";
import type { Wrong } from "./run_options.ts";
import { hasUserNamespace } from "./userns_options.ts";

const isJoined = (mode: string): mode is `container:${string}` => joinedContainer(mode) !== undefined;

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
      network: networkModeOf(options),
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
