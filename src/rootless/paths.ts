/** Where an ordinary user's dhow keeps things (XDG Base Directory Specification). */
import { join } from "@std/path";
import { HostError } from "../errors.ts";
import type { Paths } from "../state/paths.ts";
import { readConfiguration } from "../state/read.ts";
import { ownNamespace } from "../state/user_namespace.ts";
import { userEntry } from "./ids.ts";

/**
 * What dies with the boot lies in $XDG_RUNTIME_DIR, if that is a folder of the user's that nobody else can write to; else below the
 * state folder, where nobody else can have put anything.
 * @throws {HostError} when the user has no home
 */
export function usersPaths(): Paths {
  const state = join(dataHome(), "dhow");
  const runtime = absolute(Deno.env.get("XDG_RUNTIME_DIR"));
  return { state, run: runtime !== undefined && isOwn(runtime) ? join(runtime, "dhow") : join(state, "run") };
}

const absolute = (path: string | undefined) => path?.startsWith("/") ? path : undefined;

function dataHome(): string {
  const data = absolute(Deno.env.get("XDG_DATA_HOME"));
  if (data !== undefined) return data;
  const home = absolute(Deno.env.get("HOME")) ??
    userEntry(readConfiguration("/etc/passwd") ?? "", usersId())?.home;
  if (home === undefined || home === "/nonexistent") {
    throw new HostError({
      what: "cannot tell where to keep images and containers",
      why: "this user has no home folder",
      hint: "set HOME or XDG_DATA_HOME, or give a folder with --root DIR",
    });
  }
  return join(home, ".local/share");
}

const usersId = () => ownNamespace()?.uids[0]?.hostID ?? Deno.uid() ?? 0;

function isOwn(path: string): boolean {
  try {
    const { isDirectory, uid, mode } = Deno.lstatSync(path);
    return isDirectory && uid === Deno.uid() && ((mode ?? 0o777) & 0o022) === 0;
  } catch {
    return false; // not there, or not to be seen
  }
}
