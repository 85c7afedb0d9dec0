/** What a container has changed of its image, as `diff` lists it: what overlay keeps in its upper folder (overlayfs.rst). */
import { join } from "@std/path";
import {
  O_NOFOLLOW,
  O_PATH,
  RESOLVE_BENEATH,
  RESOLVE_NO_SYMLINKS,
  S_IFDIR,
  S_IFREG,
} from "../../ffi/constants.ts";
import { ELOOP, ENOENT, ENOTDIR } from "../../ffi/errno.ts";
import { pathExists } from "../../ffi/files.ts";
import { libcCall } from "../../ffi/table.ts";
import { openBelow, statAt } from "../image/extract/paths.ts";
import type { ByteString } from "../image/tar/byte_string.ts";
import { openFolder } from "../image/walk/directory.ts";
import type { Stat } from "../image/walk/stat.ts";
import { walk } from "../image/walk/walker.ts";
import { CONTAINER_FILES } from "../rootfs/etc_files.ts";
import type { Lower } from "../rootfs/overlay.ts";
import { containerState, type Paths } from "../state/paths.ts";
import { lowerOnDisk } from "./copied_image.ts";
import type { ContainerRecord } from "./records.ts";
import { isMark, whiteoutIn } from "./upper.ts";
import { viewRoot } from "./root_view.ts";
import { driverOf } from "./user_namespace.ts";

/** `A`: added, `C`: changed, `D`: deleted. */
export interface Difference {
  readonly kind: "A" | "C" | "D";
  /** With a slash at its start. */
  readonly path: ByteString;
}

/** What dhow itself makes to mount on, where the image has nothing. */
const OWN_FOLDERS = ["dev", "proc", "sys", "etc"];
const OWN_FILES = CONTAINER_FILES.map((path) => path.slice(1));

/**
 * All changes, sorted by path.
 * @param warn told of what cannot be read
 */
export async function differences(
  paths: Paths,
  container: ContainerRecord,
  lower: Lower,
  warn: (text: string) => void,
): Promise<Difference[]> {
  const { id, config } = container;
  const upper = join(containerState(paths, id), "diff");
  if (!pathExists(upper)) return []; // it was never started
  const driver = driverOf(config.options);
  await using image = await viewRoot(paths, {
    lower: await lowerOnDisk(paths, container, () => Promise.resolve(lower)),
    container: undefined,
    isWritable: false,
    driver,
    mounts: [],
  });
  const kinds = new Map<ByteString, Difference["kind"]>();
  const folder = openFolder(upper);
  try {
    for (const found of walk(folder, warn)) {
      const { stat } = found;
      const gone = whiteoutIn(found, driver);
      const path = gone ?? found.path;
      if (gone === undefined && isMark(found, driver)) continue;
      const before = lookUp(image.fd, path);
      if (isOwn(path, stat, before)) continue;
      if (stat.type === S_IFDIR && before?.type === S_IFDIR && isSameFolder(before, stat)) continue;
      kinds.set(path, gone !== undefined ? "D" : before === undefined ? "A" : "C");
      markParents(path, kinds);
    }
  } finally {
    libcCall("close", folder);
  }
  return [...kinds].map(([path, kind]) => ({ kind, path: `/${path}` })).sort((a, b) =>
    a.path < b.path ? -1 : 1
  );
}

/** A folder in which something has changed has changed as well. */
function markParents(path: ByteString, kinds: Map<ByteString, Difference["kind"]>): void {
  for (let at = path.lastIndexOf("/"); at > 0; at = path.lastIndexOf("/", at - 1)) {
    const parent = path.slice(0, at);
    if (kinds.has(parent)) return;
    kinds.set(parent, "C");
  }
}

function lookUp(root: number, path: ByteString): Stat | undefined {
  const resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS;
  const fd = openBelow(root, path, O_PATH | O_NOFOLLOW, resolve, [ENOENT, ENOTDIR, ELOOP]);
  if (fd === undefined) return undefined;
  try {
    return statAt(fd, "");
  } finally {
    libcCall("close", fd);
  }
}

function isSameFolder(a: Stat, b: Stat): boolean {
  return a.mode === b.mode && a.uid === b.uid && a.gid === b.gid && a.mtime.seconds === b.mtime.seconds &&
    a.mtime.nanoseconds === b.mtime.nanoseconds;
}

/** Whether only dhow has made something, to mount on it: /etc is copied up, and its times change, when a file is made in it. */
function isOwn(
  path: ByteString,
  { type, size, mode, links, mtime, ctime }: Stat,
  before: Stat | undefined,
): boolean {
  if (type === S_IFDIR && path === "etc") {
    return mtime.seconds === ctime.seconds && mtime.nanoseconds === ctime.nanoseconds &&
      mode === (before?.mode ?? 0o755);
  }
  if (type === S_IFDIR) return before === undefined && OWN_FOLDERS.includes(path);
  return OWN_FILES.includes(path) && type === S_IFREG && size === 0 && mode === 0o644 && links === 1;
}
