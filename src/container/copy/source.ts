/** What `cp` copies. */
import { O_DIRECTORY, O_NOFOLLOW, O_PATH, S_IFDIR, S_IFLNK } from "../../../ffi/constants.ts";
import { libcCall } from "../../../ffi/table.ts";
import { DhowError } from "../../errors.ts";
import { cleanPath, nameOf, parentOf } from "../../image/extract/extractor.ts";
import type { ByteString } from "../../image/tar/byte_string.ts";
import { type ByteSink, TarWriter } from "../../image/tar/writer.ts";
import { TreeArchive } from "../../image/walk/archive.ts";
import { Probe } from "../../image/walk/probe.ts";
import type { Stat } from "../../image/walk/stat.ts";
import { type Found, walk } from "../../image/walk/walker.ts";
import { log } from "../../log.ts";
import { linkTarget, openAt, parsePath, type Place, statOf } from "./place.ts";

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
  const { clean, contentOnly, isFolder } = parsePath(place.path);
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
    path = linkTarget(place, path);
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

async function writeTree(
  place: Place,
  path: ByteString,
  as: ByteString,
  sink: ByteSink,
  signal: AbortSignal,
): Promise<void> {
  await using tar = new TarWriter(sink);
  const warn = (text: string) => log.warn(text);
  using tree = new TreeArchive(tar, warn, place.ids);
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
  const folder = openAt(place, parentOf(path), O_DIRECTORY);
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
