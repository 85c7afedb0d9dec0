import { resolve } from "@std/path";
import { keepExitStatus, requireRoot } from "../container/host.ts";
import { recover } from "../container/recover.ts";
import { type Storage, STORAGES } from "../image/store/storage.ts";
import { UsageError } from "../errors.ts";
import { log } from "../log.ts";
import { Database } from "../state/database.ts";
import { type Paths, pathsUnder } from "../state/paths.ts";
import { isRootless } from "../state/user_namespace.ts";
import type { GlobalOptions } from "./command.ts";

/** What most commands work with. */
export interface Session {
  readonly paths: Paths;
  readonly database: Database;
  /** How images are to be kept, if the user says it. */
  readonly storage: Storage | undefined;
  /** This dhow's own command line, without a command. */
  readonly ownCommand: readonly string[];
  /** The same for `recover`. */
  readonly recoverCommand: readonly string[];
}

/**
 * Opens dhow's state, and cleans up after commands that were killed.
 * @param what for the error when this is not root: `run containers`
 */
export async function openSession(global: GlobalOptions, what: string): Promise<Session> {
  requireRoot(what);
  // what dhow makes must have the modes it says, whatever the caller's mask
  Deno.umask(0o022);
  keepExitStatus();
  log.debug("open the database");
  if (global.root === "") throw new UsageError({ what: 'cannot use --root ""', why: "it names no folder" });
  const root = global.root === undefined ? undefined : resolve(global.root);
  const paths = root === undefined && isRootless()
    ? (await import("../rootless/paths.ts")).usersPaths()
    : pathsUnder(root);
  const database = Database.open(paths);
  const storage = readStorage(global);
  log.debug("look for what killed commands left behind");
  const self = [...ownCommand(), ...rootOption(root)];
  const recoverCommand = [...self, "recover"];
  await recover({ database, paths, ownCommand: self, recoverCommand });
  log.debug("ready");
  return { paths, database, storage, ownCommand: self, recoverCommand };
}

/** This dhow's own command line, without a command, for what is started without a session. */
export function ownCommandLine({ root }: GlobalOptions): string[] {
  return [...ownCommand(), ...rootOption(root === undefined ? undefined : resolve(root))];
}

/** @throws {UsageError} when there is no such storage */
function readStorage({ storage }: GlobalOptions): Storage | undefined {
  const known: readonly (string | undefined)[] = STORAGES;
  if (storage === undefined || known.includes(storage)) return storage as Storage | undefined;
  throw new UsageError({
    what: `cannot use --storage ${JSON.stringify(storage)}`,
    why: "there is no such storage",
    hint: `choose one of: ${STORAGES.join(", ")}`,
  });
}

function rootOption(root: string | undefined): string[] {
  return root === undefined ? [] : ["--root", root];
}

/** How this program was started: as itself, or by `deno run` from its sources. */
export function ownCommand(): string[] {
  return Deno.build.standalone ? [Deno.execPath()] : [Deno.execPath(), "run", "-A", Deno.mainModule];
}
