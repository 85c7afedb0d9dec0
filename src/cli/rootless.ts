/** What an ordinary user's command does first. */
import { resolve } from "@std/path";
import { HostError } from "../errors.ts";
import { enterUserNamespace } from "../rootless/enter.ts";
import { usersPaths } from "../rootless/paths.ts";
import { pathsUnder } from "../state/paths.ts";
import type { GlobalOptions } from "./command.ts";
import { ownCommand } from "./session.ts";

/** Starts this dhow anew, as the root of a user namespace. Does not return. */
export function enter({ root }: GlobalOptions): Promise<never> {
  // the empty text is refused once it is there
  const paths = root === undefined || root === "" ? usersPaths() : pathsUnder(resolve(root));
  try {
    Deno.mkdirSync(paths.state, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw new HostError({
      what: `cannot make "${paths.state}", for images and containers`,
      why: error instanceof Error ? error.message : String(error),
      hint: "choose another place with --root DIR",
      cause: error,
    });
  }
  return enterUserNamespace(paths, ownCommand());
}
