import { exitCode } from "../../ffi/process.ts";
import { DhowError } from "../errors.ts";
import { log } from "../log.ts";
import type { JoinedProgram } from "../plan/joined.ts";
import type { ExecOptions } from "./exec.ts";
import { RawTerminal, type TerminalRelay } from "./terminal.ts";

/**
 * Connects this process's terminal with that of a program in a container.
 * @returns its exit code
 * @throws {DhowError} when the user has left it
 */
export async function attend(
  program: JoinedProgram,
  relay: TerminalRelay,
  options: Pick<ExecOptions, "interactive" | "detachKeys">,
): Promise<number> {
  const raw = options.interactive ? new RawTerminal() : undefined;
  const resize = () => relay.copySize();
  Deno.addSignalListener("SIGWINCH", resize);
  // the window may have changed before somebody listened
  resize();
  try {
    const failed = (error: unknown) => log.warn(`the terminal failed: ${error}`);
    const output = relay.output(() => {}).catch(failed);
    const left = Promise.withResolvers<undefined>();
    if (options.interactive) {
      relay.input(options.detachKeys).then((isLeaving) => isLeaving && left.resolve(undefined), failed);
    }
    const status = await Promise.race([program.ended, left.promise]);
    if (status !== undefined) {
      await output;
      return exitCode(status);
    }
    program.leaveTerminal();
  } finally {
    Deno.removeSignalListener("SIGWINCH", resize);
    raw?.restore();
  }
  throw new DhowError({ what: "read escape sequence", why: "the command goes on" });
}
