import { assertEquals } from "@std/assert";
import type { Host } from "./host.ts";
import { busyboxArchive } from "./images.ts";
import type { Output, RunOptions } from "./process.ts";

/**
 * Runs a command in a container of the real busybox archive, without a network: for tests that are about something else.
 * @param flags of `dhow run`
 */
export async function runBusybox(
  host: Host,
  command: readonly string[],
  flags?: readonly string[],
  options?: RunOptions,
): Promise<Output> {
  return await host.dhow(
    ["run", ...withoutNetwork(flags ?? []), await busyboxArchive(), ...command],
    options,
  );
}

/** What such a container prints; it must succeed, and dhow must have nothing to say. */
export async function busyboxOutput(
  host: Host,
  command: readonly string[],
  flags?: readonly string[],
): Promise<string> {
  const output = await runBusybox(host, command, flags);
  assertSuccess(output);
  return output.stdout;
}

export async function busyboxShell(host: Host, script: string, flags?: readonly string[]): Promise<string> {
  return await busyboxOutput(host, ["sh", "-euc", script], flags);
}

/** An archive made by hand is put on the host; its path there is returned. */
export async function runArchive(
  host: Host,
  archive: Uint8Array,
  command: readonly string[] = [],
  flags: readonly string[] = [],
): Promise<Output> {
  const path = await host.write("image.tar", archive);
  return await host.dhow(["run", ...withoutNetwork(flags), path, ...command]);
}

/** Unless they say which one. */
const withoutNetwork = (flags: readonly string[]) =>
  flags.includes("--network") ? flags : ["--network", "none", ...flags];

export function assertSuccess({ code, stderr }: Output): void {
  assertEquals({ code, stderr }, { code: 0, stderr: "" });
}

/** dhow's own failure: the exit code, one line on standard error that says all of `parts`, and nothing on standard output. */
export function assertFailure({ code, stdout, stderr }: Output, expected: number, ...parts: RegExp[]): void {
  const lines = stderr.split("\n");
  const unmet = [/^dhow: [^;]+: .+/, ...parts].filter((part) => !part.test(stderr));
  assertEquals({ code, stdout, lines: lines.length - 1, unmet, stderr }, {
    code: expected,
    stdout: "",
    lines: 1,
    unmet: [],
    stderr,
  });
}
