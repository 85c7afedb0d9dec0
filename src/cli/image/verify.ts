import { ImageCatalog } from "../../image/store/catalog.ts";
import type { CheckedLayer } from "../../image/store/verify.ts";
import type { Command } from "../command.ts";
import { print } from "../output.ts";
import { openSession } from "../session.ts";
import { storeOf } from "../store_of.ts";

export const command: Command = {
  usage: "[IMAGE...]",
  summary:
    "Read the layers of images again, of all when none are named, and say whether they are what they were.",
  options: [],
  async run({ args, global }) {
    const store = storeOf(await openSession(global, "verify images"));
    return await verifyImages(new ImageCatalog(store), args, print);
  },
};

/** Where images are verified. */
export interface VerifiableImages<Image extends { readonly id: string; readonly tags: readonly string[] }> {
  list(): readonly Image[];
  /** @throws {ImageError} when there is no such image */
  get(name: string): Image;
  /** Reads an image's layers, lowest first. */
  verify(image: Image): AsyncIterable<CheckedLayer>;
}

/**
 * Reads the layers of some images again, of all when none are named, and says of each whether it is what it should be.
 * @param write is given lines, as soon as they are known
 * @returns the exit code: 1 when a layer is damaged
 */
export async function verifyImages<Image extends { readonly id: string; readonly tags: readonly string[] }>(
  images: VerifiableImages<Image>,
  names: readonly string[],
  write: (text: string) => void,
): Promise<number> {
  let code = 0;
  // all names are looked up before the first layer is read, which takes a while
  const chosen = names.length === 0 ? images.list() : names.map((name) => images.get(name));
  for (const image of chosen) {
    write(`${image.tags[0] ?? image.id}\n`);
    for await (const { diffId, ok, found } of images.verify(image)) {
      if (!ok) code = 1;
      write(
        `  ${diffId} ${ok ? "ok" : `damaged: ${found === undefined ? "cannot be read" : `is ${found}`}`}\n`,
      );
    }
  }
  return code;
}
