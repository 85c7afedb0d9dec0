/**
 * The part of an image's config that says how to run it, as its JSON has it: members that dhow knows nothing of stay as they
 * are (docker image specification v1.2; OCI image-spec, config.md).
 */
export type ProcessConfig = Readonly<Record<string, unknown>>;

/** A member that is a list of texts; empty when it is something else. */
export function textsOf(config: ProcessConfig, key: string): readonly string[] {
  const value = Object.hasOwn(config, key) ? config[key] : undefined;
  return Array.isArray(value) ? value.filter((item) => typeof item === "string") : [];
}

/** A member that is a text; empty when it is something else. */
export function textOf(config: ProcessConfig, key: string): string {
  const value = Object.hasOwn(config, key) ? config[key] : undefined;
  return typeof value === "string" ? value : "";
}

/** A copy of a member that is an object, with more in it. Computed keys: one called `__proto__` is like any other. */
export function withMembers(
  config: ProcessConfig,
  key: string,
  members: Iterable<readonly [name: string, value: unknown]>,
): Record<string, unknown> {
  const value = Object.hasOwn(config, key) ? config[key] : undefined;
  const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
  let all: Record<string, unknown> = isObject ? value as Record<string, unknown> : {};
  for (const [name, member] of members) all = { ...all, [name]: member };
  return all;
}

/** A list of `NAME=value`, with a variable set in the place that it has, or at the end. */
export function withVariable(env: readonly string[], name: string, value: string): string[] {
  const entry = `${name}=${value}`;
  const index = env.findIndex((each) => each.split("=", 1)[0] === name);
  return index < 0 ? [...env, entry] : env.with(index, entry);
}
