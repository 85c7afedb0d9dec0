/** The part of a script of explain.ts that unpacks an image's layers. */
import { commandLine } from "./shell.ts";

/** A layer that the script has to unpack, because the store does not have it unpacked. */
export interface ArchivedLayer {
  /** Its name in the archive. */
  readonly name: string;
  /** The folder to unpack it into. */
  readonly folder: string;
}

export interface Archive {
  /** May be compressed as a whole. */
  readonly path: string;
  /** Whether its layers lie in a folder already. */
  readonly isFolder: boolean;
  /** Lowest first. */
  readonly layers: readonly ArchivedLayer[];
}

/**
 * The commands that unpack the layers of an archive.
 * GNU tar does what docker does, but for whiteouts, which are then turned into overlay's own. It sees by itself what is
 * compressed with gzip or zstd.
 */
export function unpack({ path, isFolder, layers }: Archive, workFolder: string): string[] {
  const image = isFolder ? path : `${workFolder}/image`;
  const unpackArchive = [commandLine("mkdir", image), commandLine("tar", "-xf", path, "-C", image)];
  return [
    "",
    `# Unpack ${isFolder ? "" : "the archive, and "}each layer of the image into a folder of its own.`,
    ...(isFolder ? [] : unpackArchive),
    "unpack_layer() {",
    '  mkdir -p "$2"',
    "  # Attributes with overlay's own names would tell it what only this script may tell it.",
    "  tar --numeric-owner --same-permissions --delay-directory-restore \\",
    "    --xattrs --xattrs-include='*' --xattrs-exclude='trusted.overlay.*' --xattrs-exclude='user.overlay.*' \\",
    '    -xf "$1" -C "$2"',
    "  # What a layer deletes it names .wh.NAME; overlay wants a device 0/0 called NAME instead.",
    "  find \"$2\" -name '.wh.*' ! -name '.wh..wh.*' -exec sh -ec '",
    "    for mark; do",
    "      name=${mark%/*}/${mark##*/.wh.}",
    '      rm "$mark"; [ -e "$name" ] || [ -L "$name" ] || mknod "$name" c 0 0',
    "    done' sh {} +",
    "  # A folder that hides what is below it holds .wh..wh..opq; overlay wants an attribute.",
    "  find \"$2\" -name '.wh..wh..opq' -exec sh -ec '",
    "    for mark; do",
    '      rm "$mark"; setfattr -n trusted.overlay.opaque -v y "${mark%/*}"',
    "      # (in a user namespace overlay looks at this one)",
    '      setfattr -n user.overlay.opaque -v y "${mark%/*}" || true',
    "    done' sh {} +",
    "}",
    ...layers.map(({ name, folder }) => commandLine("unpack_layer", `${image}/${name}`, folder)),
  ];
}
