import { libcCall } from "../../../ffi/table.ts";
import { SystemCallError } from "../../../ffi/errno.ts";
import { isRootless } from "../../state/user_namespace.ts";
import { type ByteString, encodeText, toBytes } from "../tar/byte_string.ts";
import { type ImageFiles, type LayerChild, type LayerView, MergedFiles } from "./merged.ts";

/**
 * Files of an image whose layers are unpacked. Needs root, as the layers' folders do.
 * @param trees the layers' folders, top to bottom
 */
export function unpackedFiles(trees: readonly string[]): ImageFiles {
  return new MergedFiles(trees.map((path) => new UnpackedLayer(path)));
}

/**
 * Paths are put together from parts that were seen to be directories before, in a tree that nobody changes: no symlink
 * is ever followed on the host.
 */
class UnpackedLayer implements LayerView<string> {
  constructor(readonly path: string) {}

  root(): Promise<string> {
    return Promise.resolve(this.path);
  }

  child(directory: string, name: ByteString): LayerChild<string> | undefined {
    const path = `${directory}/${new TextDecoder().decode(toBytes(name))}`;
    const info = lstat(path);
    if (info === undefined) return undefined;
    if (info.isDirectory) return { kind: "directory", directory: path, opaque: isOpaque(path) };
    if (info.isSymlink) return { kind: "symlink", target: encodeText(Deno.readLinkSync(path)) };
    if (info.isFile) {
      return {
        kind: "file",
        size: info.size,
        read: () => Promise.resolve(Deno.readFileSync(path)),
      };
    }
    return { kind: "other" };
  }
}

function lstat(path: string): Deno.FileInfo | undefined {
  try {
    return Deno.lstatSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

function isOpaque(path: string): boolean {
  try {
    const name = isRootless() ? "user.overlay.opaque" : "trusted.overlay.opaque";
    return libcCall("lgetxattr", path, name, 0, 0) >= 0;
  } catch (error) {
    if (error instanceof SystemCallError) return false;
    throw error;
  }
}
