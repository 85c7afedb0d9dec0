/** Where `cp` copies to. */
import {
  O_DIRECTORY,
  O_NOFOLLOW,
  O_PATH,
  RESOLVE_BENEATH,
  RESOLVE_NO_SYMLINKS,
  S_IFDIR,
  S_IFLNK,
  S_IFREG,
} from "../../../ffi/constants.ts";
import { libcCall } from "../../../ffi/table.ts";
import { DhowError, HostError } from "../../errors.ts";
import { cleanPath, Extractor, nameOf, parentOf } from "../../image/extract/extractor.ts";
import { openBelow, statAt } from "../../image/extract/paths.ts";
import type { ByteString } from "../../image/tar/byte_string.ts";
import type { ByteSink } from "../../image/tar/writer.ts";
import { stepDone } from "../../plan/fault.ts";
import {
  IN_CONTAINER,
  linkTarget,
  MISSING,
  openAt,
  parsePath,
  type Place,
  resolveOf,
  statOf,
} from "./place.ts";
import type { Source } from "./source.ts";

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
  const { clean, isFolder } = parsePath(place.path);
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
    here = linkTarget(place, here);
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
  const base = place.isContainers ? undefined : openAt(place, folder, O_DIRECTORY);
  if (!place.isContainers && base === undefined) {
    throw new HostError({ what: `cannot copy to ${place.path}`, why: "no such directory" });
  }
  const extractor = new Extractor(base ?? place.root, {
    base: place.isContainers ? cleanPath(folder) : "",
    resolve: place.isContainers ? IN_CONTAINER : RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS,
    owner,
    changesBase: false, // as docker has it
    ids: place.ids,
  });
  try {
    await write(extractor);
    stepDone();
    extractor.finish();
    stepDone();
  } finally {
    extractor.close();
    if (base !== undefined) libcCall("close", base);
  }
}

/** Whether a place is a folder, into which a tar can be unpacked. */
export function requireFolder(place: Place): ByteString {
  const { clean } = parsePath(place.path);
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
