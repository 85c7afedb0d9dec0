/**
 * Writes what name servers read (src/plan/names/layout.ts). They read at any time: so each file and each link comes to its place at once,
 * by rename(2), and none of them sees half of it.
 */
import { Arena } from "../../../ffi/arena.ts";
import {
  AT_FDCWD,
  AT_REMOVEDIR,
  O_CLOEXEC,
  O_CREAT,
  O_EXCL,
  O_NOFOLLOW,
  O_WRONLY,
} from "../../../ffi/constants.ts";
import { ENOENT, ENOTEMPTY } from "../../../ffi/errno.ts";
import { pathExists } from "../../../ffi/files.ts";
import { ENTRY_SIZE } from "../../../ffi/machine_code.ts";
import { CallTable, tryLibcCall } from "../../../ffi/table.ts";
import { dirname, join } from "@std/path";
import { MOST_ZONES, SERVER_SIZE, SERVERS_FILE, zoneLink } from "../../plan/names/layout.ts";
import type { NameServerAddress } from "./servers.ts";
import { sockaddrOf } from "./servers.ts";
import type { ZoneFiles } from "./zone.ts";

/** Servers become another user, who has to get there: nothing in it is secret to this host's users. */
const FOLDER_MODE = 0o755;
const FILE_MODE = 0o644;

/** What is being written. No question leads there: labels are not empty. */
const TEMPORARY = ".new";
const LOCK = ".lock";

/** The folder of all that name servers may see, below the one that goes with the boot. */
export const namesFolder = (run: string) => join(run, "names");
export const zoneFolder = (names: string, network: string) => join(names, "networks", network);
/** The container's, relative to it: what a `serve-names` step wants. */
export const containerFolder = (id: string) => join("containers", id);

/**
 * Brings a network's zone up to date: writes what has changed, and removes what is gone.
 * @param folder of the zone; it is made if it is not there
 * @param current says what is to be there. It is called while no other dhow writes there, so that the last one that writes knows all
 */
export function publishZone(folder: string, current: () => ZoneFiles): void {
  makeFolder(folder);
  locked(folder, () => {
    const files = current();
    const present = namesIn(folder);
    const changed = [...files].filter(([name, bytes]) =>
      !present.has(name) || !isSame(Deno.readFileSync(join(folder, name)), bytes)
    );
    replaceFiles(folder, changed);
    for (const name of present) {
      if (!files.has(name) && !name.startsWith(".")) removeIfThere(join(folder, name));
    }
  });
}

/** Says which zones a container's name server answers from, in their order, and which servers it asks for other names; none for none. */
export function publishContainer(
  names: string,
  id: string,
  networks: readonly string[],
  servers: readonly NameServerAddress[],
): void {
  if (networks.length > MOST_ZONES) throw new RangeError(`more than ${MOST_ZONES} networks`);
  const folder = join(names, containerFolder(id));
  makeFolder(folder);
  locked(folder, () => {
    const present = namesIn(folder);
    const sockaddrs = new Uint8Array(servers.length * SERVER_SIZE);
    servers.forEach((server, index) => sockaddrs.set(sockaddrOf(server), index * SERVER_SIZE));
    if (!present.has(SERVERS_FILE) || !isSame(Deno.readFileSync(join(folder, SERVERS_FILE)), sockaddrs)) {
      replaceFiles(folder, [[SERVERS_FILE, sockaddrs]]);
    }
    networks.forEach((network, index) => {
      // relative, so that it means the same where the folder is the root directory
      const target = join("../../networks", network);
      const name = zoneLink(index);
      const link = join(folder, name);
      if (present.has(name) && Deno.readLinkSync(link) === target) return;
      const temporary = join(folder, TEMPORARY);
      removeIfThere(temporary);
      Deno.symlinkSync(target, temporary);
      Deno.renameSync(temporary, link);
    });
    // from the last: there is never one missing in between
    for (let index = MOST_ZONES - 1; index >= networks.length; index--) {
      const name = zoneLink(index);
      if (present.has(name)) removeIfThere(join(folder, name));
    }
  });
}

/** Removes a container's folder. */
export const forgetContainerNames = (names: string, id: string) =>
  removeTree(join(names, containerFolder(id)));

/** Removes the folder of all names if nobody has any. To be called while no other dhow writes there. */
export function removeIfEmpty(names: string): void {
  for (const folder of [dirname(zoneFolder(names, "a")), dirname(join(names, containerFolder("a"))), names]) {
    tryLibcCall([ENOENT, ENOTEMPTY], "unlinkat", AT_FDCWD, folder, AT_REMOVEDIR);
  }
}

/** Removes a network's zone. */
export const forgetZone = (names: string, network: string) => removeTree(zoneFolder(names, network));

/** Makes a folder and those above it, whatever the caller's umask is. */
function makeFolder(folder: string): void {
  if (pathExists(folder)) return;
  makeFolder(dirname(folder));
  try {
    Deno.mkdirSync(folder);
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) return; // another dhow was faster
    throw error;
  }
  Deno.chmodSync(folder, FOLDER_MODE);
}

/** flock(2): ends with the process, if it is killed. */
function locked(folder: string, work: () => void): void {
  using file = Deno.openSync(join(folder, LOCK), { create: true, write: true, mode: 0o600 });
  file.lockSync(true);
  work();
}

/** One after another, in one walk of a table: there are eight for each container, and each takes five calls. */
function replaceFiles(folder: string, files: readonly (readonly [name: string, bytes: Uint8Array])[]): void {
  if (files.length === 0) return;
  const temporary = join(folder, TEMPORARY);
  removeIfThere(temporary);
  const sizes = files.map(([name, { length }]) =>
    6 * ENTRY_SIZE + length + 3 * (folder.length + name.length)
  );
  const arena = new Arena(sizes.reduce((sum, size) => sum + size, 4096 + 3 * temporary.length));
  try {
    const table = new CallTable(arena, 5 * files.length);
    const made = arena.string(temporary);
    for (const [name, bytes] of files) {
      const flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
      const fd = table.call("openat", [AT_FDCWD, made, flags, FILE_MODE]);
      table.call("write", [fd, arena.data(bytes), bytes.length], { least: bytes.length });
      table.call("fchmod", [fd, FILE_MODE]);
      table.call("close", [fd]);
      table.call("renameat", [AT_FDCWD, made, AT_FDCWD, join(folder, name)]);
    }
    table.run();
  } finally {
    arena.release();
  }
}

const namesIn = (folder: string) => new Set([...Deno.readDirSync(folder)].map(({ name }) => name));

const isSame = (one: Uint8Array, other: Uint8Array) =>
  one.length === other.length && one.every((byte, at) => byte === other[at]);

// by libc: there is none most times, and an exception of Deno's takes longer than the call
const removeIfThere = (path: string) => tryLibcCall([ENOENT], "unlinkat", AT_FDCWD, path, 0);
const removeTree = (path: string) => ifThere(() => Deno.removeSync(path, { recursive: true }));

function ifThere<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}
