/**
 * What a dhow of an ordinary user executes to get into the user namespace: Deno has threads from its first moment, and only a process
 * without any can join one (setns(2)). It keeps its process id, terminal, descriptors and signals, and becomes dhow again.
 */
import { CLONE_NEWNS, CLONE_NEWUSER } from "../../ffi/constants.ts";
import { ANY_ERRNO } from "../../ffi/errno.ts";
import { StandaloneProgram } from "../../ffi/standalone.ts";

const ANY = { tolerate: ANY_ERRNO };

export interface Entry {
  /** Descriptors of the two namespaces. */
  readonly user: number;
  readonly mount: number;
  /** The working directory, which is the root otherwise. */
  readonly directory: string;
  readonly command: readonly string[];
  readonly environment: readonly string[];
}

/** When something goes wrong it ends with code 1: each call was tried before by who looked after the namespace. */
export function entryProgram(
  { user, mount, directory, command, environment }: Entry,
): Uint8Array<ArrayBuffer> {
  const texts = [directory, ...command, ...environment];
  const size = texts.reduce((sum, text) => sum + 3 * text.length + 32, 4096);
  const program = new StandaloneProgram(16, size);
  program.call("setns", [user, CLONE_NEWUSER]);
  program.call("setns", [mount, CLONE_NEWNS]);
  for (const fd of [user, mount]) program.call("close", [fd]);
  // a caller that has changed its group is root's there as well
  program.call("setresgid", [0, 0, 0], ANY);
  program.call("setresuid", [0, 0, 0], ANY);
  program.call("chdir", [program.text(directory)], ANY);
  program.call("execve", [
    program.text(command[0] ?? ""),
    program.texts(command),
    program.texts(environment),
  ]);
  return program.build();
}
