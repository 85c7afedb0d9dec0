import { basename, dirname } from "@std/path";
import type { ChildStep } from "../plan/step.ts";

/**
 * The container's file tree: the image's layers, read-only, below one writable layer
 * (Documentation/filesystems/overlayfs.rst).
 *
 * @param layers folders of the layers, top to bottom; all in one folder, so that their names can be given relative to
 *   it: mount(2) takes one page of options, and so 500 layers fit where absolute paths would end at 40
 */
export function overlaySteps(
  { layers, upper, work, target, inUserNamespace }: {
    layers: readonly string[];
    upper: string;
    work: string;
    target: string;
    inUserNamespace: boolean;
  },
): ChildStep[] {
  return [
    {
      op: "make-mounts-private",
      why: "keep the mounts that follow out of the host's mount table",
    },
    {
      op: "mount-overlay",
      why: "lay one writable layer over the image's read-only layers",
      lower: layers.map((layer) => basename(layer)),
      layersFolder: dirname(layers[0] ?? "/"),
      upper,
      work,
      target,
      // volatile: the writable layer goes when the container ends, so nothing has to reach the disk (Linux 5.10).
      // userxattr: in a user namespace overlay may not read the attributes trusted.* (Linux 5.11).
      options: inUserNamespace ? ["volatile", "userxattr"] : ["volatile"],
    },
    { op: "open-root", why: "hold the new root by a descriptor", path: target },
  ];
}

export function pivotSteps(): ChildStep[] {
  return [{ op: "pivot-root", why: "make it the root directory, and let go of the host's" }];
}
