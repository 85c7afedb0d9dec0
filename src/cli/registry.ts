/** What the commands that speak to registries share. */
import { SYSTEM_CLOCK } from "../clock.ts";
import { DhowError, UsageError } from "../errors.ts";
import { formatFullName, type ImageName, saysNoTag } from "../image/reference.ts";
import { makeHttpClient } from "../image/registry/certificates.ts";
import { type Credentials, findCredentials } from "../image/registry/credentials.ts";
import { Registry, type RegistryOptions } from "../image/registry/registry.ts";
import { log } from "../log.ts";
import type { Invocation, Option } from "./command.ts";
import { print } from "./output.ts";
import { INSECURE } from "./registry_options.ts";

/** The options that `pull` and `push` share. */
export const TRANSFER_OPTIONS: readonly Option[] = [
  { name: "all-tags", short: "a", help: "all tags of the repository" },
  INSECURE,
  { name: "quiet", short: "q", help: "print the image's name only" },
];

/** What a pull or a push is about. */
export interface Transfer<Name extends ImageName> {
  readonly name: Name;
  /** How errors call it: `cannot pull "busybox"` */
  readonly what: string;
  readonly isForAll: boolean;
  readonly isQuiet: boolean;
  readonly isInsecure: boolean;
  /** All that is printed when it is quiet. */
  readonly fullName: string;
}

/**
 * Reads the command line of `pull` or `push`, and says which tag is meant when it does not.
 * @throws {UsageError} when there is not just one name, or one that does not go with the options
 * @throws {ImageError} by `parse`
 */
export function readTransfer<Name extends ImageName>(
  verb: "pull" | "push",
  { args, options }: Invocation,
  parse: (text: string) => Name,
): Transfer<Name> {
  const text = onlyArgument(verb, args);
  const name = parse(text);
  const isForAll = options.flag("all-tags");
  const isQuiet = options.flag("quiet");
  if (isForAll) refuseTag(verb, text);
  else if (!isQuiet && saysNoTag(text)) print("Using default tag: latest\n");
  return {
    name,
    what: `cannot ${verb} ${JSON.stringify(text)}`,
    isForAll,
    isQuiet,
    isInsecure: options.flag("insecure"),
    fullName: isForAll ? `${name.domain}/${name.path}` : formatFullName(name),
  };
}

/** The one argument of a command. @param verb for the error: `pull` */
function onlyArgument(verb: string, args: readonly string[]): string {
  const [only, ...others] = args;
  if (only !== undefined && others.length === 0) return only;
  throw new UsageError({
    what: `cannot ${verb}`,
    why: `${verb} takes exactly one argument`,
    hint: `see: dhow ${verb} --help`,
  });
}

/** @throws {UsageError} when a name that stands for all tags has one */
function refuseTag(verb: string, name: string): void {
  if (saysNoTag(name)) return;
  throw new UsageError({
    what: `cannot ${verb}`,
    why: "a tag cannot be used with --all-tags",
    hint: "leave one of them out",
  });
}

/**
 * Connects to a registry over the real network.
 * @param what how errors name the work
 */
export function connect(
  options: Pick<RegistryOptions, "domain" | "isInsecure"> & Partial<RegistryOptions>,
  what: string,
  signal: AbortSignal,
): Promise<Registry> {
  const { domain } = options;
  return Registry.connect(
    {
      credentials: () => findOrWarn(domain),
      clock: SYSTEM_CLOCK,
      random: Math.random,
      fetch: (url, init) => fetch(url, init),
      client: makeHttpClient(domain),
      ...options,
    },
    what,
    signal,
  );
}

/**
 * What is kept of a login. Most images need none: a helper that is not here, in a config.json that came from another machine,
 * is told and not an error, as docker has it.
 */
async function findOrWarn(domain: string): Promise<Credentials | undefined> {
  try {
    return await findCredentials(domain);
  } catch (error) {
    if (!(error instanceof DhowError)) throw error;
    log.warn(`${error.message}; going on without a login`);
    return undefined;
  }
}
