/**
 * What `cp` copies, from and to where: places below a root, a container's or the host's. A container's is never looked at by a path of
 * the host's: each of its names is found with openat2(2), which cannot leave its root, whatever the container does meanwhile
 * (CVE-2018-15664), and nothing of the container's is executed or loaded (CVE-2019-14271).
 */
import {
  O_DIRECTORY,
  O_NOFOLLOW,
  O_PATH,
  RESOLVE_BENEATH,
  RESOLVE_IN_ROOT,
  RESOLVE_NO_MAGICLINKS,
  RESOLVE_NO_SYMLINKS,
  S_IFDIR,
  S_IFLNK,
  S_IFREG,
} from "../../ffi/constants.ts";
import { ELOOP, ENOENT, ENOTDIR } from "../../ffi/errno.ts";
import { libcCall } from "../../ffi/table.ts";
import { DhowError, HostError } from "../errors.ts";
import { cleanPath, Extractor, nameOf, parentOf } from "../image/extract/extractor.ts";
import { openBelow, readLink, statAt } from "../image/extract/paths.ts";
import { type ByteString, encodeText } from "../image/tar/byte_string.ts";
import { type ByteSink, TarWriter } from "../image/tar/writer.ts";
import { TreeArchive } from "../image/walk/archive.ts";
import { Probe } from "../image/walk/probe.ts";
import type { Stat } from "../image/walk/stat.ts";
import { type Found, walk } from "../image/walk/walker.ts";
import { log } from "../log.ts";

/** A path below a root. */
export interface Place {
  /** A descriptor of the root. */
  readonly root: number;
  readonly isContainers: boolean;
  /** Absolute, as the user wrote it, with what is at its end. */
  readonly path: string;
  /** How errors name it. */
  readonly label: string;
}

const IN_CONTAINER = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
/** ELOOP: a link in circles, or one of /proc's that lead out of it: for a copy there is nothing. */
const MISSING = [ENOENT, ENOTDIR, ELOOP];

const resolveOf = ({ isContainers }: Place) => isContainers ? IN_CONTAINER : 0;

/** Opens what is at a place; links on the way to it are followed in its root. */
function open(place: Place, path: ByteString, flags: number): number | undefined {
  return openBelow(place.root, path, flags | O_PATH, resolveOf(place), MISSING);
}

/** What is at a place, links being followed. */
function statOf(place: Place, path: ByteString, flags = 0): Stat | undefined {
  const fd = open(place, path, flags);
  if (fd === undefined) return undefined;
  try {
    return statAt(fd, "");
  } finally {
    libcCall("close", fd);
  }
}

/** The parts of a path: whether only what is in a folder is meant, and whether it has to be one. */
function parse(path: string): { clean: ByteString; contentOnly: boolean; isFolder: boolean } {
  const written = encodeText(path);
  return {
    clean: cleanPath(written),
    contentOnly: /\/\.$/.test(path) || path === ".",
    isFolder: /\/\.?$/.test(path),
  };
}

/** What is to be copied. */
export interface Source {
  readonly stat: Stat;
  /** The name that it has; `.` for what is in a folder. */
  readonly name: ByteString;
  /** Whether the folder itself is not copied, only what is in it. */
  readonly contentOnly: boolean;
  /** Writes it as a tar in which it has the given name. */
  write(sink: ByteSink, as: ByteString, signal: AbortSignal): Promise<void>;
}

/**
 * Looks at what is to be copied.
 * @param follows whether a symlink stands for what it leads to
 * @throws {DhowError} in docker's words, when there is nothing
 */
export function openSource(place: Place, follows: boolean): Source {
  const { clean, contentOnly, isFolder } = parse(place.path);
  const missing = () =>
    new DhowError(
      place.isContainers
        ? { what: "Could not find the file", why: `${place.path} in container ${place.label}` }
        : { what: `lstat ${place.path}`, why: "no such file or directory" },
    );
  let path = clean;
  let stat = statOf(place, path, O_NOFOLLOW);
  // a slash behind a link means what it leads to
  for (let links = 0; stat?.type === S_IFLNK && (follows || isFolder); links++) {
    if (links > 40) {
      throw new DhowError({ what: `cannot copy ${place.path}`, why: "its links lead in circles" });
    }
    path = target(place, path);
    stat = statOf(place, path, O_NOFOLLOW);
  }
  if (stat === undefined) throw missing();
  if (isFolder && stat.type !== S_IFDIR) {
    throw new DhowError({ what: `cannot copy ${place.path}`, why: "not a directory" });
  }
  return {
    stat,
    // the name is the one that was asked for, whatever the link leads to
    name: nameOf(clean),
    contentOnly,
    write: (sink, as, signal) => writeTree(place, path, as, sink, signal),
  };
}

/** Where a link leads, from the root. Folders above it are found again by their names. */
function target(place: Place, path: ByteString): ByteString {
  const fd = open(place, path, O_NOFOLLOW);
  if (fd === undefined) return path;
  try {
    const link = readLink(fd);
    return link.startsWith("/") ? cleanPath(link) : `${parentOf(path)}/${link}`;
  } finally {
    libcCall("close", fd);
  }
}

async function writeTree(
  place: Place,
  path: ByteString,
  as: ByteString,
  sink: ByteSink,
  signal: AbortSignal,
): Promise<void> {
  await using tar = new TarWriter(sink);
  const warn = (text: string) => log.warn(text);
  using tree = new TreeArchive(tar, warn);
  for (const found of lookAt(place, path, as, warn)) {
    signal.throwIfAborted();
    await tree.add(found);
  }
  await tar.finish();
}

/** Folders of every container that show the kernel: of a whole root only they themselves are copied. */
const KERNELS = /^(proc|sys|dev)\/./;

/** What is at a path, and all in it, under another name. */
function* lookAt(
  place: Place,
  path: ByteString,
  as: ByteString,
  warn: (text: string) => void,
): Generator<Found> {
  const folder = open(place, parentOf(path), O_DIRECTORY);
  if (folder === undefined) {
    throw new DhowError({ what: `cannot copy ${place.path}`, why: "it has vanished" });
  }
  let inside: number;
  try {
    using probe = new Probe(folder, true);
    const stat = probe.look(nameOf(path));
    if (stat === undefined) {
      throw new DhowError({ what: `cannot copy ${place.path}`, why: "it has vanished" });
    }
    if (stat.type !== S_IFDIR) {
      yield { path: as, fd: probe.fd, stat, xattrNames: probe.xattrs() };
      return;
    }
    inside = libcCall("openat", probe.fd, ".", O_PATH | O_DIRECTORY);
  } finally {
    libcCall("close", folder);
  }
  try {
    const isRoot = cleanPath(path) === "";
    for (const found of walk(inside, warn, { withRoot: true, crossesMounts: true })) {
      if (isRoot && KERNELS.test(found.path)) continue;
      const name = found.path === "." ? as : as === "." ? found.path : `${as}/${found.path}`;
      yield { ...found, path: name };
    }
  } finally {
    libcCall("close", inside);
  }
}

/** Where a copy goes: a folder, and the name that it gets there. */
export interface Target {
  readonly folder: ByteString;
  readonly name: ByteString;
}

/**
 * Finds out where something is to be copied to, by docker's rules.
 * @throws {DhowError} in docker's words, when it cannot be
 */
export function decideTarget(place: Place, source: Pick<Source, "stat" | "name" | "contentOnly">): Target {
  const { clean, isFolder } = parse(place.path);
  const sourceIsFolder = source.stat.type === S_IFDIR;
  const there = statOf(place, clean);
  if (there === undefined) {
    if (isFolder && !sourceIsFolder) {
      throw new DhowError({ what: `cannot copy to ${place.path}`, why: "destination directory must exist" });
    }
    const target = followTarget(place, clean); // a link may lead to what is not there yet
    if (statOf(place, target.folder)?.type !== S_IFDIR) {
      const what = place.isContainers
        ? `Could not find the file ${place.path} in container ${place.label}`
        : place.path;
      throw new DhowError({ what, why: "no such directory" });
    }
    return target;
  }
  if (there.type === S_IFDIR) {
    return { folder: clean, name: source.contentOnly ? "." : source.name };
  }
  if (isFolder) throw new DhowError({ what: `cannot copy to ${place.path}`, why: "not a directory" });
  if (sourceIsFolder) throw new DhowError({ what: "cannot copy directory", why: "to a file" });
  if (there.type !== S_IFREG) { // it would be replaced by a file, /dev/null too
    throw new DhowError({
      what: `cannot copy to ${place.path}`,
      why: "it is no directory and no regular file",
    });
  }
  return followTarget(place, clean);
}

/** A file is written where the link leads that stands for it, as docker does it. */
function followTarget(place: Place, path: ByteString): Target {
  let here = path;
  for (let links = 0; links <= 40; links++) {
    if (statOf(place, here, O_NOFOLLOW)?.type !== S_IFLNK) {
      return { folder: parentOf(here), name: nameOf(here) };
    }
    here = target(place, here);
  }
  throw new DhowError({ what: `cannot copy to ${place.path}`, why: "its links lead in circles" });
}

/**
 * Unpacks a tar into a folder of a place.
 * @param owner whose all of it becomes; undefined for those that the tar names
 */
export async function extractInto(
  place: Place,
  folder: ByteString,
  owner: { uid: number; gid: number } | undefined,
  write: (sink: ByteSink) => Promise<void>,
): Promise<void> {
  // in a container links of folders are followed, in it; on the host, what a container has made leads nowhere
  const base = place.isContainers ? undefined : open(place, folder, O_DIRECTORY);
  if (!place.isContainers && base === undefined) {
    throw new HostError({ what: `cannot copy to ${place.path}`, why: "no such directory" });
  }
  const extractor = new Extractor(base ?? place.root, {
    base: place.isContainers ? cleanPath(folder) : "",
    resolve: place.isContainers ? IN_CONTAINER : RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS,
    owner,
    changesBase: false, // as docker has it
  });
  try {
    await write(extractor);
    extractor.finish();
  } finally {
    extractor.close();
    if (base !== undefined) libcCall("close", base);
  }
}

/** Whether a place is a folder, into which a tar can be unpacked. */
export function requireFolder(place: Place): ByteString {
  const { clean } = parse(place.path);
  const there = openBelow(place.root, clean, O_PATH, resolveOf(place), MISSING);
  if (there === undefined) {
    throw new DhowError({
      what: "Could not find the file",
      why: `${place.path} in container ${place.label}`,
    });
  }
  try {
    if (statAt(there, "")?.type === S_IFDIR) return clean;
  } finally {
    libcCall("close", there);
  }
  throw new DhowError({
    what: `cannot copy to ${place.path}`,
    why: "destination must be a directory to extract a tar",
  });
}
