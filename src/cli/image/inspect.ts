import { DhowError, UsageError } from "../../errors.ts";
import { ImageCatalog } from "../../image/store/catalog.ts";
import type { Command, Invocation, Option } from "../command.ts";
import { EXIT_BAD_TEMPLATE, inspect } from "../format/inspect.ts";
import { print, printError } from "../output.ts";
import { openSession } from "../session.ts";
import { storeOf } from "../store_of.ts";
import { TemplateError } from "../template/error.ts";
import type { Value } from "../template/value.ts";
import { describeImage } from "./details.ts";

export const FORMAT: Option = {
  name: "format",
  short: "f",
  value: "TEMPLATE",
  help: "print by a Go template; json for one line of JSON",
};

export const command: Command = {
  usage: "[OPTIONS] IMAGE [IMAGE...]",
  summary: "Print what there is to know of images, as JSON.",
  options: [FORMAT],
  async run(invocation) {
    requireNames(invocation, "IMAGE");
    const store = storeOf(await openSession(invocation.global, "inspect images"));
    const catalog = new ImageCatalog(store);
    return inspectNames(invocation, (name) => describeImage(catalog.get(name)));
  },
};

/** @throws {UsageError} when nothing is named */
export function requireNames({ args }: Invocation, what: string): void {
  if (args.length > 0) return;
  throw new UsageError({
    what: "cannot inspect",
    why: `no ${what} was given`,
    hint: `name at least one ${what}`,
  });
}

/**
 * Prints what the names of a command line stand for, and after it what went wrong.
 * @returns the exit code
 */
export function inspectNames({ args, options, global }: Invocation, find: (name: string) => Value): number {
  const fail = (error: DhowError, code: number) => {
    printError(error, global.debug);
    return code;
  };
  try {
    const { text, errors } = inspect(args, options.text("format") ?? "", find);
    print(text);
    return errors.reduce((_code, error) => fail(error, 1), 0);
  } catch (error) {
    if (error instanceof TemplateError) return fail(error, EXIT_BAD_TEMPLATE);
    throw error;
  }
}
