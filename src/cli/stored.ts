import { ImageError } from "../errors.ts";
import type { Database } from "../state/database.ts";

/**
 * The config of an image in the store, byte for byte.
 * @param id `sha256:...`
 * @throws {ImageError} when it is no longer there
 */
export function configText(database: Database, id: string): string {
  const row = database.get<{ config: string }>("SELECT config FROM images WHERE id = ?", id);
  if (row === undefined) throw new ImageError({ what: `cannot use image ${id}`, why: "it was removed" });
  return row.config;
}
