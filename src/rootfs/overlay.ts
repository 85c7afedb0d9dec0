import { basename, dirname, resolve } from "@std/path";
import type { ChildStep, HostStep } from "../plan/step.ts";
import { heldOverlayStep } from "./fuse_overlay.ts";
import { MERGED, onStage, stageStep } from "./held.ts";

/**
 * What lays layers over each other: overlay of the kernel, as root has it or in a user namespace, or the program fuse-overlayfs. Each
 * notes in words of its own, in the writable layer, what is gone.
 */
export type OverlayDriver = "privileged" | "user" | "fuse-overlayfs";

/** What the writable layer lies over: an image, in one of the ways in which it can be kept. */
export type Lower =
  /**
   * Folders of its layers, top to bottom; all in one folder, so that their names can be given relative to it: mount(2)
   * takes one page of options, and so 500 layers fit where absolute paths would end at 40.
   */
  | { readonly kind: "folders"; readonly layers: readonly string[] }
  | {
    readonly kind: "erofs";
    /** Whether the kernel has to be given block devices in place of the files. */
    readonly loop: boolean;
    /** Of the whole image, and the files that it points into: below `folder`, unless they are absolute. */
    readonly index: string;
    readonly devices: readonly string[];
    readonly folder: string;
  };

/**
 * Overlay neither follows nor writes attributes that stand for another path or another file's content, whatever the host's
 * defaults for that are: an image must not be able to say such things, and a container's changes must be whole. With userxattr
 * this is so anyway, and older kernels refuse to be told.
 */
const WITHOUT_REFERENCES = ["redirect_dir=nofollow", "metacopy=off"];

/**
 * The container's file tree: the image, read-only, below one writable layer (Documentation/filesystems/overlayfs.rst).
 * volatile: if the writable layer goes when the container ends, nothing of it has to reach the disk (Linux 5.10). userxattr: in a user
 * namespace overlay may not read the attributes trusted.* (Linux 5.11). What fuse-overlayfs mounts is held by dhow (fuse_overlay.ts).
 * @param indexTarget where an index is mounted: a folder of the container's own
 * @param upper both it and `work` lie in the container's folder
 */
export function overlaySteps(
  { lower, indexTarget, upper, work, target, driver, isVolatile, isHeld = false }: {
    lower: Lower;
    indexTarget: string;
    upper: string;
    work: string;
    target: string;
    driver: OverlayDriver;
    isVolatile: boolean;
    /** Whether the layers are held for a child that could not reach them: see held.ts. */
    isHeld?: boolean;
  },
): ChildStep[] {
  return [
    {
      op: "make-mounts-private",
      why: "keep the mounts that follow out of the host's mount table",
    },
    ...(driver === "fuse-overlayfs" ? [heldOverlayStep(target)] : kernelSteps()),
    { op: "open-root", why: "hold the new root by a descriptor", path: isHeld ? MERGED : target },
  ];

  function kernelSteps(): ChildStep[] {
    const layers = lower.kind === "folders" ? lower.layers : [indexTarget];
    return [
      ...(isHeld
        ? [stageStep(lower, dirname(upper))]
        : lower.kind === "erofs"
        ? [indexStep(lower, indexTarget)]
        : []),
      {
        op: "mount-overlay",
        why: "lay one writable layer over the image's read-only layers",
        ...(isHeld ? onStage(lower, dirname(upper)) : {
          lower: layers.map((layer) => basename(layer)),
          layersFolder: dirname(layers[0] ?? "/"),
          upper,
          work,
          target,
        }),
        options: [
          ...(isVolatile ? ["volatile"] : []),
          ...(driver === "user" ? ["userxattr"] : WITHOUT_REFERENCES),
        ],
      },
    ];
  }
}

/** Folders of an image's layers, top to bottom: what an ordinary user's are kept as. */
export function layerFolders(lower: Lower): readonly string[] {
  if (lower.kind === "folders") return lower.layers;
  throw new Error("only folders can be laid over each other by fuse-overlayfs");
}

/** Makes the files of an index block devices, where the kernel wants them. */
export function loopSteps(lower: Lower): HostStep[] {
  if (lower.kind !== "erofs" || !lower.loop) return [];
  const files = [lower.index, ...lower.devices].map((file) => resolve(lower.folder, file));
  return [{ do: "attach-loops", why: "make block devices of the image's index and layers", files }];
}

function indexStep({ index, devices, folder }: Extract<Lower, { kind: "erofs" }>, target: string): ChildStep {
  return {
    op: "mount-index",
    why: "mount the image's layers where they lie, without unpacking them",
    index,
    devices,
    folder,
    target,
  };
}

export function pivotSteps(): ChildStep[] {
  return [{ op: "pivot-root", why: "make it the root directory, and let go of the host's" }];
}
