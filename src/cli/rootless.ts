/** What an ordinary user's command does first. */
import { resolve } from "@std/path";
import { enterUserNamespace } from "../rootless/enter.ts";
import { usersPaths } from "../rootless/paths.ts";
import { pathsUnder } from "../state/paths.ts";
import type { GlobalOptions } from "./command.ts";
import { ownCommand } from "./session.ts";

/** Starts this dhow anew, as the root of a user namespace. Does not return. */
export function enter({ root }: GlobalOptions): Promise<never> {
  // the empty text is refused once it is there
  const paths = root === undefined || root === "" ? usersPaths() : pathsUnder(resolve(root));
  Deno.mkdirSync(paths.state, { recursive: true, mode: 0o700 });
  return enterUserNamespace(paths, ownCommand());
}
