import { DhowError } from "../errors.ts";
import type { Invocation } from "./command.ts";
import { print, printError } from "./output.ts";

/**
 * Does the same with each name that a command line has; one with which it fails does not stop the others.
 * @param work returns what is printed, in the order of the names; nothing for undefined
 * @param atOnce how many are worked on at once; more than one only for work that holds no lock while it waits
 * @returns the exit code
 */
export async function eachName(
  { args, global }: Invocation,
  work: (name: string) => Promise<string | undefined>,
  atOnce = 1,
): Promise<number> {
  const attempt = async (name: string): Promise<{ said: string | undefined } | { error: unknown }> => {
    try {
      return { said: await work(name) };
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
      if (outcome.said !== undefined) print(`${outcome.said}\n`);
      continue;
    }
    if (!(outcome.error instanceof DhowError)) throw outcome.error;
    printError(outcome.error, global.debug);
    code = 1;
  }
  return code;
}
