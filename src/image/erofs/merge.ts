/**
 * The layers of an image as one tree, merged as overlay merges them (Linux: Documentation/filesystems/overlayfs.rst): what a
 * higher layer has under a name hides what lower ones have, but for directories, which are merged.
 */
import type { ByteString } from "../tar/byte_string.ts";
import type { Directory, LayerTree, Node, Whiteout } from "../layer/tree.ts";

/** A directory of one layer. */
export interface LayerDirectory {
  readonly directory: Directory;
  /** Which of the layers, 0 being the lowest. */
  readonly layer: number;
}

/** A directory of the image: those of the layers that make it up, top to bottom. The first has its attributes. */
export type MergedDirectory = readonly [LayerDirectory, ...LayerDirectory[]];

/** A name in a merged directory. */
export interface MergedChild {
  readonly name: ByteString;
  readonly node: Exclude<Node, Whiteout | Directory> | MergedDirectory;
  /** The layer that it is from. */
  readonly layer: number;
}

/** @param layers lowest first, at least one */
export function mergedRoot(layers: readonly LayerTree[]): MergedDirectory {
  const roots = layers.map(({ root }, layer) => ({ directory: root, layer })).reverse();
  const opaque = roots.findIndex(({ directory }) => directory.opaque);
  return roots.slice(0, opaque === -1 ? roots.length : opaque + 1) as unknown as MergedDirectory;
}

/** What is in a merged directory, in no particular order. */
export function mergedChildren(merged: MergedDirectory): MergedChild[] {
  const children: MergedChild[] = [];
  if (merged.length === 1) {
    const [{ directory, layer }] = merged;
    for (const [name, node] of directory.children) {
      if (node.kind === "directory") children.push({ name, node: [{ directory: node, layer }], layer });
      else if (node.kind !== "whiteout") children.push({ name, node, layer });
    }
    return children;
  }
  for (const [name, layers] of names(merged)) {
    const { node, layer } = layers[0]!;
    if (node.kind === "directory") children.push({ name, node: mergedDirectory(layers), layer });
    else if (node.kind !== "whiteout") children.push({ name, node, layer });
  }
  return children;
}

interface LayerNode {
  readonly node: Node;
  readonly layer: number;
}

/** What the layers have under each name, top to bottom. */
function names(merged: MergedDirectory): Map<ByteString, LayerNode[]> {
  const found = new Map<ByteString, LayerNode[]>();
  for (const { directory, layer } of merged) {
    for (const [name, node] of directory.children) {
      const higher = found.get(name);
      if (higher === undefined) found.set(name, [{ node, layer }]);
      else higher.push({ node, layer });
    }
  }
  return found;
}

/** A directory of the highest layer, and the directories below it that are merged with it. */
function mergedDirectory(layers: readonly LayerNode[]): MergedDirectory {
  const merged: LayerDirectory[] = [];
  for (const { node, layer } of layers) {
    if (node.kind !== "directory") break;
    merged.push({ directory: node, layer });
    if (node.opaque) break;
  }
  return merged as unknown as MergedDirectory;
}
