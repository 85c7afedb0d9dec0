import { type ContainerRecord, findContainer } from "../../container/records.ts";
import { DhowError, UsageError } from "../../errors.ts";
import type { Invocation } from "../command.ts";
import { print, printError } from "../output.ts";
import type { Session } from "../session.ts";

/** @throws {UsageError} when there are fewer arguments than a command needs */
export function requireContainers({ args }: Invocation, what: string): void {
  if (args.length > 0) return;
  throw new UsageError({
    what: `cannot ${what}`,
    why: "no CONTAINER was given",
    hint: `see: dhow ${what} --help`,
  });
}

/**
 * Does the same with each container that a command line names, and prints the names of those with which it went well.
 * @param work what is printed in place of the name, if it returns something
 * @returns the exit code
 */
export async function eachContainer(
  { args, global }: Invocation,
  { database }: Session,
  work: (container: ContainerRecord) => Promise<string | void>,
): Promise<number> {
  let code = 0;
  for (const name of args) {
    try {
      const said = await work(findContainer(database, name));
      print(`${said ?? name}\n`);
    } catch (error) {
      if (!(error instanceof DhowError)) throw error;
      printError(error, global.debug);
      code = 1;
    }
  }
  return code;
}
