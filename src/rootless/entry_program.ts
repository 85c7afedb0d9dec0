/**
 * What a dhow of an ordinary user executes to get into the user namespace: Deno has threads from its first moment, and only a process
 * without any can join one (setns(2)). It keeps its process id, terminal, descriptors and signals, and becomes dhow again.
 */
import { CLONE_NEWNS, CLONE_NEWUSER } from "../../ffi/constants.ts";
import { ANY_ERRNO } from "../../ffi/errno.ts";
import { Label, StandaloneProgram } from "../../ffi/standalone.ts";
import { EXIT_OWN_FAILURE } from "../errors.ts";

const ANY = { tolerate: ANY_ERRNO };

export interface Entry {
  /** Descriptors of the two namespaces. Without one of a mount namespace there is a new one. */
  readonly user: number;
  readonly mount: number | undefined;
  /** The working directory, which is the root otherwise. */
  readonly directory: string;
  readonly command: readonly string[];
  readonly environment: readonly string[];
}

const FAILED = "dhow: cannot enter the user namespace of this user's containers; see: dhow doctor\n";
const STANDARD_ERROR = 2;

/**
 * When a namespace cannot be joined, it says so, and ends.
 * @param arch the CPU that it is for; this one by default
 */
export function entryProgram(
  { user, mount, directory, command, environment }: Entry,
  arch?: string,
): Uint8Array<ArrayBuffer> {
  const texts = [directory, ...command, ...environment];
  const size = texts.reduce((sum, text) => sum + 3 * text.length + 32, 4096);
  const program = new StandaloneProgram(32, size, arch);
  const failed = new Label();
  for (const [fd, kind] of [[user, CLONE_NEWUSER], [mount, CLONE_NEWNS]] as const) {
    const joined = fd === undefined
      ? program.call("unshare", [kind], ANY)
      : program.call("setns", [fd, kind], ANY);
    program.jumpIfLess(joined, 0, failed);
    if (fd !== undefined) program.call("close", [fd]);
  }
  // a caller that has changed its group is root's there as well
  program.call("setresgid", [0, 0, 0], ANY);
  program.call("setresuid", [0, 0, 0], ANY);
  program.call("chdir", [program.text(directory)], ANY);
  const [path, argv] = [program.text(command[0] ?? ""), program.texts(command)];
  program.call("execve", [path, argv, program.texts(environment)], ANY);
  program.place(failed);
  program.call("write", [STANDARD_ERROR, program.text(FAILED), FAILED.length], ANY);
  program.call("exit_group", [EXIT_OWN_FAILURE]);
  return program.build();
}
