/**
 * Where a link of an image leads to nothing, and something is to be mounted there, docker makes what it leads to. A start finds that
 * out by failing, so that others need not look; this makes the places in the writable layer, and the start is tried once more.
 */
import { join } from "@std/path";
import {
  O_DIRECTORY,
  O_NOFOLLOW,
  O_PATH,
  RESOLVE_IN_ROOT,
  RESOLVE_NO_MAGICLINKS,
  RESOLVE_NO_SYMLINKS,
  S_IFLNK,
} from "../../ffi/constants.ts";
import { EEXIST, ELOOP, ENOENT, ENOTDIR } from "../../ffi/errno.ts";
import { libcCall, tryLibcCall } from "../../ffi/table.ts";
import { openBelow, readLink, statAt } from "../image/extract/paths.ts";
import { type ByteString, encodeText, toBytes } from "../image/tar/byte_string.ts";
import type { HostStep, Plan } from "../plan/step.ts";
import { deleteLink, removeTree } from "../plan/undo.ts";
import type { OverlayDriver } from "../rootfs/overlay.ts";
import { containerState, type Paths } from "../state/paths.ts";
import { copiedImage, hasCopy } from "./copied_image.ts";
import type { RunnableImage } from "./prepare.ts";
import { viewRoot } from "./root_view.ts";

/** As many links on one way as the kernel follows (path_resolution(7)). */
const MAX_LINKS = 40;

/**
 * Makes the places where a plan mounts what users have asked for, links being followed in the root, and takes back what a start by
 * that plan has left that failed.
 * @throws {HostError} when the image cannot be mounted
 */
export async function makeMissingTargets(
  paths: Paths,
  id: string,
  image: Pick<RunnableImage, "lower">,
  plan: Plan,
  driver: OverlayDriver,
): Promise<void> {
  for (const undo of plan.undo) if (undo.undo === "delete-link") await deleteLink(undo.link);
  const container = containerState(paths, id);
  // overlay mounts a writable layer only once that was mounted as volatile: it holds nothing yet then
  if (plan.undo.some((undo) => undo.undo === "remove-tree" && undo.path === container)) {
    for (const name of ["diff", "work"]) removeTree(join(container, name));
  }
  for (const name of ["diff", "work"]) {
    Deno.mkdirSync(join(container, name), { recursive: true, mode: 0o755 });
  }
  Deno.chmodSync(container, 0o700);
  const isCopied = hasCopy(paths, id);
  const { lower } = isCopied ? { lower: copiedImage(paths, id) } : image;
  await using view = await viewRoot(paths, {
    lower,
    container,
    isWritable: true,
    driver,
    mounts: [],
  });
  const makeAll = () => {
    for (const { inRoot, isFile } of targetsOf(plan.steps)) makeTarget(view.fd, encodeText(inRoot), isFile);
    return Promise.resolve();
  };
  const held = plan.steps.find((step) => step.do === "hold-trees");
  if (!isCopied || held?.do !== "hold-trees") return await makeAll();
  const { actingAs } = await import("./acting_as.ts");
  await actingAs(held.owner, makeAll);
}

function targetsOf(steps: readonly HostStep[]): { inRoot: string; isFile: boolean }[] {
  return steps.flatMap((step) => step.do === "start-child" ? step.steps : []).flatMap((step) =>
    (step.op === "bind" || step.op === "mount") && step.followsLinks === true
      ? [{ inRoot: step.inRoot, isFile: step.op === "bind" && step.kind === "file" }]
      : []
  );
}

/** What cannot be made stays missing: the next start tells of it. Nobody else is in this root. */
function makeTarget(root: number, path: ByteString, isFile: boolean): void {
  const left = path.split("/");
  let found: ByteString[] = [];
  for (let links = 0; left.length > 0 && links <= MAX_LINKS;) {
    const name = left.shift()!;
    if (name === "" || name === ".") continue;
    if (name === "..") {
      found.pop();
      continue;
    }
    const folder = open(root, found.join("/"), O_DIRECTORY);
    if (folder === undefined) return;
    try {
      const link = linkAt(folder, name);
      if (link === undefined) {
        const isLast = left.every((rest) => rest === "" || rest === ".");
        make(folder, name, isLast && isFile);
        found.push(name);
      } else {
        links++;
        if (link.startsWith("/")) found = [];
        left.unshift(...link.split("/"));
      }
    } finally {
      libcCall("close", folder);
    }
  }
}

function open(folder: number, path: ByteString, flags: number): number | undefined {
  const resolve = RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  return openBelow(folder, path, O_PATH | flags, resolve, [ENOENT, ENOTDIR, ELOOP]);
}

/** Where a link leads; undefined for what is none, or not there. */
function linkAt(folder: number, name: ByteString): ByteString | undefined {
  if (statAt(folder, name)?.type !== S_IFLNK) return undefined;
  const fd = open(folder, name, O_NOFOLLOW);
  if (fd === undefined) return undefined;
  try {
    return readLink(fd);
  } finally {
    libcCall("close", fd);
  }
}

function make(folder: number, name: ByteString, isFile: boolean): void {
  if (isFile) tryLibcCall([EEXIST], "mknodat", folder, toBytes(name), 0o100644, 0);
  else tryLibcCall([EEXIST], "mkdirat", folder, toBytes(name), 0o755);
}
