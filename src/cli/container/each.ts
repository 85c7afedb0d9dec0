import { type ContainerRecord, findContainer } from "../../container/records.ts";
import { UsageError } from "../../errors.ts";
import type { Invocation } from "../command.ts";
import { eachName } from "../each.ts";
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
  invocation: Invocation,
  { database }: Session,
  work: (container: ContainerRecord) => Promise<string | void>,
  atOnce = 1,
): Promise<number> {
  return await eachName(
    invocation,
    async (name) => await work(findContainer(database, name)) ?? name,
    atOnce,
  );
}
