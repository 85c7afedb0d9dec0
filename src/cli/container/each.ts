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

/** As many as docker's client works on at once. */
export const MANY = 50;

/**
 * Does the same with each container that a command line names, and prints, in their order, the names of those with which it went well.
 * @param work what is printed in place of the name, if it returns something
 * @param atOnce how many are worked on at once; more than one only for work that holds no lock while it waits
 * @returns the exit code
 */
export async function eachContainer(
  { args, global }: Invocation,
  { database }: Session,
  work: (container: ContainerRecord) => Promise<string | void>,
  atOnce = 1,
): Promise<number> {
  const attempt = async (name: string): Promise<{ said: string } | { error: unknown }> => {
    try {
      return { said: await work(findContainer(database, name)) ?? name };
    } catch (error) {
      return { error };
    }
  };
  const begun: ReturnType<typeof attempt>[] = [];
  let code = 0;
  for (let next = 0; next < args.length; next++) {
    while (begun.length < Math.min(next + atOnce, args.length)) begun.push(attempt(args[begun.length]!));
    const outcome = await begun[next]!;
    if ("said" in outcome) {
      print(`${outcome.said}\n`);
      continue;
    }
    if (!(outcome.error instanceof DhowError)) throw outcome.error;
    printError(outcome.error, global.debug);
    code = 1;
  }
  return code;
}
