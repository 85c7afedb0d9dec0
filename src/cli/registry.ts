/** What the commands that speak to registries share. */
import { SYSTEM_CLOCK } from "../clock.ts";
import { UsageError } from "../errors.ts";
import { saysNoTag } from "../image/reference.ts";
import { makeHttpClient } from "../image/registry/certificates.ts";
import { findCredentials } from "../image/registry/credentials.ts";
import { Registry, type RegistryOptions } from "../image/registry/registry.ts";

/** The one argument of a command. @param verb for the error: `pull` */
export function onlyArgument(verb: string, args: readonly string[]): string {
  const [only, ...others] = args;
  if (only !== undefined && others.length === 0) return only;
  throw new UsageError({
    what: `cannot ${verb}`,
    why: `${verb} takes exactly one argument`,
    hint: `see: dhow ${verb} --help`,
  });
}

/** @throws {UsageError} when a name that stands for all tags has one */
export function refuseTag(verb: string, name: string): void {
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
      credentials: () => findCredentials(domain),
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
