import { AT_FDCWD, CLONE_NEWNET, O_CLOEXEC, O_RDONLY } from "../../ffi/constants.ts";
import { libcCall } from "../../ffi/table.ts";
import { type Explanation, HostError } from "../errors.ts";

/** Where administrators' programs lie, in case PATH lacks them (as after `su` without a dash). */
const SYSTEM_FOLDERS = ["/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/local/bin", "/usr/bin", "/bin"];

/** The path of a program of the host; undefined when it is not installed. */
export function findProgram(name: string): string | undefined {
  const folders = (Deno.env.get("PATH") ?? "").split(":").filter((folder) => folder.startsWith("/"));
  for (const folder of [...folders, ...SYSTEM_FOLDERS]) {
    try {
      if (Deno.statSync(`${folder}/${name}`).isFile) return `${folder}/${name}`;
    } catch {
      // not in this folder, or the folder cannot be read
    }
  }
  return undefined;
}

/** @throws {HostError} when ip(8) is not installed */
export function requireIp(): string {
  const path = findProgram("ip");
  if (path !== undefined) return path;
  throw new HostError({
    what: "cannot set up the network",
    why: 'this host has no "ip" command',
    hint: "install it (Debian: apt-get install iproute2), or run with --network none or --network host",
  });
}

interface ProgramOptions {
  readonly input?: string;
  /** The action that fails with it. */
  readonly what: string;
  readonly networkOf?: number;
  /** A better explanation of what it has printed; undefined if there is none. */
  readonly explain?: (said: string) => Omit<Explanation, "what"> | undefined;
}

/**
 * Runs a program of the host with `input` on its standard input.
 * @param networkOf run it in the network namespace of this process
 * @returns its standard output
 * @throws {HostError} when it fails; the message holds what it printed
 */
export async function runProgram(
  path: string,
  args: string[],
  { input = "", what, networkOf, explain = () => undefined }: ProgramOptions,
): Promise<string> {
  const spawn = () =>
    new Deno.Command(path, { args, stdin: "piped", stdout: "piped", stderr: "piped" }).spawn();
  const process = networkOf === undefined ? spawn() : inNetworkOf(networkOf, spawn);
  const feed = async () => {
    const writer = process.stdin.getWriter();
    try {
      await writer.write(new TextEncoder().encode(input));
      await writer.close();
    } catch (error) {
      // a program that fails early does not read its input; its exit code tells
      if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
    }
  };
  const [{ success, stdout, stderr }] = await Promise.all([process.output(), feed()]);
  if (!success) {
    const said = new TextDecoder().decode(stderr).trim().split("\n").filter((line) => line !== "").join("; ");
    const why = `${path} ${args.join(" ")} said: ${said || "nothing"}`;
    throw new HostError({ what, ...explain(said) ?? { why } });
  }
  return new TextDecoder().decode(stdout);
}

/**
 * Calls `work` while this thread, from which Deno starts programs, is in another process's network namespace
 * (setns(2)).
 */
function inNetworkOf<T>(pid: number, work: () => T): T {
  const other = libcCall("openat", AT_FDCWD, `/proc/${pid}/ns/net`, O_RDONLY | O_CLOEXEC);
  try {
    return inNetwork(other, work);
  } finally {
    libcCall("close", other);
  }
}

/** The same in a network namespace of which there is a descriptor. */
export function inNetwork<T>(namespace: number, work: () => T): T {
  const own = libcCall("openat", AT_FDCWD, "/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
  try {
    libcCall("setns", namespace, CLONE_NEWNET);
    try {
      return work();
    } finally {
      libcCall("setns", own, CLONE_NEWNET);
    }
  } finally {
    libcCall("close", own);
  }
}

/** Makes changes to links, addresses and routes: one `ip` process for all of them (ip(8), -batch). */
export async function runIp(commands: readonly string[], what: string, networkOf?: number): Promise<void> {
  const options = {
    input: commands.join("\n") + "\n",
    what,
    explain: (said: string) => explainIp(said, commands),
  };
  await runProgram(
    requireIp(),
    ["-batch", "-"],
    networkOf === undefined ? options : { ...options, networkOf },
  );
}

/** Which of the commands has failed, and what for. */
function explainIp(said: string, commands: readonly string[]): Omit<Explanation, "what"> | undefined {
  const [, message, number] = /^(?:Error: |RTNETLINK answers: )?(.*); Command failed -:(\d+)$/.exec(said) ??
    [];
  const command = commands[Number(number) - 1];
  if (message === undefined || command === undefined) return undefined;
  const type = / type (\w+)/.exec(command)?.[1];
  return message === "Unknown device type." && type !== undefined
    ? { why: `this kernel has no ${type}`, hint: `load the module with: modprobe ${type}` }
    : { why: `"ip ${command}" said: ${message}` };
}
