import { EDQUOT, EIO, EMFILE, ENFILE, ENOMEM, ENOSPC, ENOTCONN, errnoOf } from "../../ffi/errno.ts";
import { DhowError, HostError } from "../errors.ts";

const encoder = new TextEncoder();

function writeAll(stream: { writeSync(bytes: Uint8Array): number }, text: string): void {
  const bytes = encoder.encode(text);
  for (let done = 0; done < bytes.length;) done += stream.writeSync(bytes.subarray(done));
}

/** Writes to standard output. A reader that has gone away is not an error. @returns whether it is still there */
export function print(text: string): boolean {
  return printTo(Deno.stdout, "standard output", text);
}

function printTo(stream: typeof Deno.stdout | typeof Deno.stderr, name: string, text: string): boolean {
  try {
    writeAll(stream, text);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.BrokenPipe) return false;
    const why = error instanceof Error ? error.message : String(error);
    throw new HostError({ what: `cannot write to ${name}`, why, cause: error });
  }
}

/** Where a command tells what it does. */
export interface Output {
  print(text: string): void;
  isTerminal(): boolean;
}

export const STANDARD_OUTPUT: Output = { print, isTerminal: () => Deno.stdout.isTerminal() };

/** For commands whose standard output belongs to a container's program. */
export const STANDARD_ERROR: Output = {
  print: (text) => printTo(Deno.stderr, "standard error", text),
  isTerminal: () => Deno.stderr.isTerminal(),
};

/**
 * One line without control characters: names in errors come from images, and must not move the terminal's cursor, nor change the
 * direction in which what follows is read (CVE-2021-42574).
 */
export function printable(text: string): string {
  // deno-lint-ignore no-control-regex -- they are what is looked for
  return text.replace(/[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g, " ");
}

/** What the host has not, whatever wanted it: no bug in dhow. */
const HOST_FAULTS: Readonly<Record<number, string>> = {
  [EMFILE]: "allow more of them: ulimit -n 1024",
  [ENFILE]: "allow more of them: sysctl fs.file-max",
  [ENOMEM]: "see what has the memory: ps, and the limits of dhow's own cgroup",
  [ENOSPC]: "free some space there",
  [EDQUOT]: "free some space there",
  [EIO]: "see the last lines of: dmesg",
  [ENOTCONN]:
    "the program that serves a file system there has ended (FUSE): stop the container, and start it again",
};

/**
 * Reports an error on standard error, in one line.
 * @param debug whether to show the stack and the causes as well
 */
export function printError(error: unknown, debug: boolean): void {
  const isExpected = error instanceof DhowError;
  const message = error instanceof Error ? error.message : String(error);
  const hint = HOST_FAULTS[errnoOf(error) ?? 0];
  const line = isExpected
    ? message
    : hint === undefined
    ? `a bug in dhow: ${message}; run it again with --debug and report what it prints`
    : `${message}; ${hint}`;
  writeAll(Deno.stderr, `dhow: ${printable(line)}\n`);
  if (!debug) return;
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    writeAll(Deno.stderr, `${cause.stack}\n`);
  }
}
