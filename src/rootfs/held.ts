/**
 * What a container with ids of its own gets to mount. Its first process is a user that may neither pass through dhow's folders nor mount
 * an image, so dhow opens all of that before, as mounts that are nowhere yet, and shows their files with the container's ids. The
 * process mounts them in a small file system of memory, the stage, which it mounts over the root directory: not even a path is
 * needed for that. Overlay then takes them from there, by paths that are relative to it.
 */
import { basename, dirname } from "@std/path";
import type { Mount } from "../plan/oci.ts";
import type { ChildStep, HeldTree, IdMethod } from "../plan/step.ts";
import type { Lower } from "./overlay.ts";

const STAGE = "stage";
const LOWER = "lower";
/** Where the container's root comes to be in the stage. */
export const MERGED = "merged";

/** Whether the image is the copy in the container's own folder. */
const isInside = (lower: Lower, container: string) =>
  lower.kind === "folders" && lower.layers.every((layer) => dirname(layer) === container);

/** What is in the stage, by the names that it has there. The container's folder has its own, the id, by which overlay's options tell of it. */
function treesOf(lower: Lower, container: string): string[] {
  return isInside(lower, container) ? [basename(container)] : [LOWER, basename(container)];
}

/** The stage, and what overlay takes from it: an image's layers, and the container's folder with its writable layer. */
export function heldLayers(
  { lower, stateFolder, idMethod }: {
    readonly lower: Lower;
    readonly stateFolder: string;
    readonly idMethod: IdMethod;
  },
): HeldTree[] {
  const isMapped = idMethod === "mounts";
  const folder = (name: string, source: string): HeldTree => ({
    name,
    kind: "folder",
    source,
    recursive: false,
    isMapped,
  });
  const trees = treesOf(lower, stateFolder).map((name): HeldTree => {
    if (name !== LOWER) return folder(name, stateFolder);
    if (lower.kind === "folders") return folder(name, dirname(lower.layers[0] ?? "/"));
    const { index, devices, folder: place } = lower;
    return { name, kind: "index", index, devices, folder: place, isMapped };
  });
  return [
    { name: STAGE, kind: "stage", folders: [...trees.map(({ name }) => name), MERGED], isMapped: false },
    ...trees,
  ];
}

export function stageStep(lower: Lower, container: string): ChildStep {
  return {
    op: "set-stage",
    why: "mount the image's layers and its own, with its ids, where overlay finds them",
    stage: STAGE,
    trees: treesOf(lower, container),
  };
}

/** The parts of mount-overlay that say where its layers are. */
export function onStage(lower: Lower, container: string) {
  const id = basename(container);
  const place = isInside(lower, container) ? id : LOWER;
  return {
    lower: lower.kind === "erofs" ? [LOWER] : lower.layers.map((layer) => `${place}/${basename(layer)}`),
    layersFolder: ".",
    upper: `${id}/diff`,
    work: `${id}/work`,
    target: MERGED,
  };
}

const isBind = ({ options }: Mount) => options.includes("bind") || options.includes("rbind");

/** The sources of binds. Only volumes, and what the user wants so, have the container's ids. */
export function heldBinds(mounts: readonly Mount[]): HeldTree[] {
  return mounts.filter(isBind).map(({ source, destination, options }) => ({
    name: destination,
    kind: "folder",
    source,
    recursive: options.includes("rbind"),
    isMapped: options.includes("idmap"),
  }));
}

export function takingSteps(mounts: readonly Mount[]): ChildStep[] {
  return mounts.filter(isBind).map(({ destination }) => ({
    op: "take-held",
    why: `take what is to be mounted on ${destination}`,
    name: destination,
    inRoot: destination,
  }));
}
