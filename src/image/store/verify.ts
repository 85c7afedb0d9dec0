import { errnoOf, isNoSpace } from "../../../ffi/errno.ts";
import { ImageError } from "../../errors.ts";
import { sha256 } from "../digest.ts";
import { chunksOf } from "./tar.ts";
import { FORMS, type LayerStore } from "./layers.ts";

/** A layer that was read again. */
export interface CheckedLayer {
  readonly diffId: string;
  readonly ok: boolean;
  /** The digest that it has now; undefined when it cannot be read. */
  readonly found: string | undefined;
}

/**
 * Hashes layers of the store again. Of an unpacked layer the tar is put together from what is in its folder.
 * @param diffIds lowest first
 */
export async function* verifyLayers(
  layers: LayerStore,
  diffIds: readonly string[],
): AsyncGenerator<CheckedLayer> {
  for (const diffId of new Set(diffIds)) {
    const numbers = FORMS.filter((form) => layers.find(diffId, form) !== undefined);
    if (numbers.length === 0) yield { diffId, ok: false, found: undefined };
    for (const form of numbers) {
      const found = await digestOf(layers, diffId, form);
      yield { diffId, ok: found === diffId, found };
    }
  }
}

async function digestOf(
  layers: LayerStore,
  diffId: string,
  form: typeof FORMS[number],
): Promise<string | undefined> {
  try {
    using file = form === "tar" ? layers.openKept(diffId) : await layers.rebuild(diffId, true);
    const digester = sha256();
    for (const chunk of chunksOf(file, layers.tarSize(diffId))) await digester.update(chunk);
    return digester.digest();
  } catch (error) {
    if (!(error instanceof ImageError) && (errnoOf(error) === undefined || isNoSpace(error))) throw error;
    return undefined;
  }
}
