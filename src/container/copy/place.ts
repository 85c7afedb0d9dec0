/**
 * What `cp` copies, from and to where: places below a root, a container's or the host's. A container's is never looked at by a path of
 * the host's: each of its names is found with openat2(2), which cannot leave its root, whatever the container does meanwhile
 * (CVE-2018-15664), and nothing of the container's is executed or loaded (CVE-2019-14271).
 */
import { O_NOFOLLOW, O_PATH, RESOLVE_IN_ROOT, RESOLVE_NO_MAGICLINKS } from "../../../ffi/constants.ts";
import { ELOOP, ENOENT, ENOTDIR } from "../../../ffi/errno.ts";
import { libcCall } from "../../../ffi/table.ts";
import { cleanPath, parentOf } from "../../image/extract/extractor.ts";
import { openBelow, readLink, statAt } from "../../image/extract/paths.ts";
import { type ByteString, encodeText } from "../../image/tar/byte_string.ts";
import type { Stat } from "../../image/walk/stat.ts";
import type { IdMappings } from "../../plan/step.ts";

/** A path below a root. */
export interface Place {
  /** A descriptor of the root. */
  readonly root: number;
  readonly isContainers: boolean;
  /** Absolute, as the user wrote it, with what is at its end. */
  readonly path: string;
  /** How errors name it. */
  readonly label: string;
  /** Of a container whose files are seen as the host has them. */
  readonly ids?: IdMappings | undefined;
}

export const IN_CONTAINER = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
/** ELOOP: a link in circles, or one of /proc's that lead out of it: for a copy there is nothing. */
export const MISSING = [ENOENT, ENOTDIR, ELOOP];

export const resolveOf = ({ isContainers }: Place) => isContainers ? IN_CONTAINER : 0;

/** Opens what is at a place; links on the way to it are followed in its root. */
export function openAt(place: Place, path: ByteString, flags: number): number | undefined {
  return openBelow(place.root, path, flags | O_PATH, resolveOf(place), MISSING);
}

/** What is at a place, links being followed. */
export function statOf(place: Place, path: ByteString, flags = 0): Stat | undefined {
  const fd = openAt(place, path, flags);
  if (fd === undefined) return undefined;
  try {
    return statAt(fd, "");
  } finally {
    libcCall("close", fd);
  }
}

/** The parts of a path: whether only what is in a folder is meant, and whether it has to be one. */
export function parsePath(path: string): { clean: ByteString; contentOnly: boolean; isFolder: boolean } {
  const written = encodeText(path);
  return {
    clean: cleanPath(written),
    contentOnly: /\/\.$/.test(path) || path === ".",
    isFolder: /\/\.?$/.test(path),
  };
}

/** Where a link leads, from the root. Folders above it are found again by their names. */
export function linkTarget(place: Place, path: ByteString): ByteString {
  const fd = openAt(place, path, O_NOFOLLOW);
  if (fd === undefined) return path;
  try {
    const link = readLink(fd);
    return link.startsWith("/") ? cleanPath(link) : `${parentOf(path)}/${link}`;
  } finally {
    libcCall("close", fd);
  }
}
