import { join } from "@std/path";
import { openSource, type SourceOptions } from "../../src/image/source/open.ts";
import { readAt } from "../../src/image/read_at.ts";
import type { ImageSource, SourceImage } from "../../src/image/source/source.ts";
import type { Layout } from "./layout.ts";

export type Options = Partial<SourceOptions>;

/** Opens what a test writes into a new folder, and closes and removes it afterwards. */
export async function withSource<T>(
  write: (folder: string) => string,
  options: Options,
  work: (source: ImageSource) => T | Promise<T>,
): Promise<T> {
  const folder = Deno.makeTempDirSync({ prefix: "dhow-unit-" });
  try {
    using source = await openSource(write(folder), { spoolFolder: folder, ...options });
    return await work(source);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

/** Writes an archive for `withSource`. */
export function asFile(content: Uint8Array, name = "image.tar"): (folder: string) => string {
  return (folder) => {
    Deno.writeFileSync(join(folder, name), content);
    return join(folder, name);
  };
}

/** Writes a layout for `withSource`, in a folder of its own. */
export function asFolder(layout: Layout): (folder: string) => string {
  return (folder) => layout.write(join(folder, "layout"));
}

export interface ReadImages {
  readonly images: readonly SourceImage[];
  /** Of each image, the contents of its layers as they are stored. */
  readonly contents: readonly Uint8Array[][];
}

/** The images of a source, and the contents of their layers. */
export function readSource(write: (folder: string) => string, options: Options = {}): Promise<ReadImages> {
  return withSource(write, options, async ({ images }) => {
    const contents: Uint8Array[][] = [];
    for (const { layers } of images) {
      const ranges = await Promise.all(layers.map((layer) => layer.range()));
      contents.push(ranges.map(({ file, offset, size }) => {
        const bytes = new Uint8Array(size);
        readAt(file, offset, bytes);
        return bytes;
      }));
    }
    return { images, contents };
  });
}
