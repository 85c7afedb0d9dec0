import { resolve } from "@std/path";
import { keepExitStatus, requireRoot } from "../container/host.ts";
import { recover } from "../container/recover.ts";
import { type Storage, STORAGES } from "../image/store/storage.ts";
import { HostError, UsageError } from "../errors.ts";
import { log } from "../log.ts";
import { FUSE_OVERLAYFS } from "../rootfs/fuse_overlay.ts";
import { Database } from "../state/database.ts";
import { type Paths, pathsUnder } from "../state/paths.ts";
import { isForeign, isRootless } from "../state/user_namespace.ts";
import type { GlobalOptions } from "./command.ts";

/** What most commands work with. */
export interface Session {
  readonly paths: Paths;
  readonly database: Database;
  /** How images are to be kept, if the user says it. */
  readonly storage: Storage | undefined;
  /** For an ordinary user: whether fuse-overlayfs is to lay layers over each other, or the kernel; if the user says it. */
  readonly wantsFuse: boolean | undefined;
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
  const wanted = readStorage(global);
  if (isForeign()) (await import("../rootless/enter.ts")).refuseOtherNamespaces(database);
  log.debug("look for what killed commands left behind");
  const self = [...ownCommand(), ...rootOption(root)];
  const recoverCommand = [...self, "recover"];
  await recover({ database, paths, ownCommand: self, recoverCommand });
  log.debug("ready");
  return {
    paths,
    database,
    storage: wanted === FUSE_OVERLAYFS ? "unpacked" : wanted,
    wantsFuse: wanted === FUSE_OVERLAYFS ? true : wanted === "unpacked" ? false : undefined,
    ownCommand: self,
    recoverCommand,
  };
}

/** This dhow's own command line, without a command, for what is started without a session. */
export function ownCommandLine({ root }: GlobalOptions): string[] {
  return [...ownCommand(), ...rootOption(root === undefined ? undefined : resolve(root))];
}

/** Images are unpacked for the last as well. */
const STORAGE_KINDS = [...STORAGES, FUSE_OVERLAYFS] as const;

/**
 * @throws {UsageError} when there is no such storage
 * @throws {HostError} when it is not root's
 */
function readStorage({ storage }: GlobalOptions): typeof STORAGE_KINDS[number] | undefined {
  if (storage === FUSE_OVERLAYFS && !isRootless()) {
    throw new HostError({
      what: `cannot use --storage ${storage}`,
      why: "it is for ordinary users: root's containers have the kernel's overlay",
      hint: "leave the choice to dhow",
    });
  }
  const known = STORAGE_KINDS.find((kind) => kind === storage);
  if (storage === undefined || known !== undefined) return known;
  throw new UsageError({
    what: `cannot use --storage ${JSON.stringify(storage)}`,
    why: "there is no such storage",
    hint: `choose one of: ${STORAGE_KINDS.join(", ")}`,
  });
}

function rootOption(root: string | undefined): string[] {
  return root === undefined ? [] : ["--root", root];
}

/** How this program was started: as itself, or by `deno run` from its sources. */
export function ownCommand(): string[] {
  return Deno.build.standalone ? [Deno.execPath()] : [Deno.execPath(), "run", "-A", Deno.mainModule];
}
