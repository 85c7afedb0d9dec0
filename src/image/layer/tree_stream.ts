import { TarStream } from "../tar/stream.ts";
import type { LayerTree } from "./tree.ts";

/** Takes a layer's tar apart as it comes, and enters what it holds into a tree; the files' data are passed over. */
export function treeStream(tree: LayerTree): TarStream {
  return new TarStream({
    entry: (entry, offset) => {
      tree.add(entry, offset);
      return false;
    },
    data: () => {},
  });
}
