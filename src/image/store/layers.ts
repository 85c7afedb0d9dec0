import { join } from "@std/path";
import { HostError } from "../../errors.ts";
import { removeTree } from "../../plan/undo.ts";
import { stepDone } from "../../plan/fault.ts";
import type { Database } from "../../state/database.ts";
import { layersFolder, type Paths } from "../../state/paths.ts";
import { entriesIn } from "../../state/read.ts";
import { identify, isAlive, type ProcessIdentity } from "../../state/process_identity.ts";
import type { LayerBlob } from "../source/source.ts";

/** Added to a layer's number: the folder for what the layer itself replaces while it is unpacked. */
const TRASH_SUFFIX = ".replaced";

/**
 * Unpacked layers, each in a folder of its own, which is named after the number of its row in the database. The row is there
 * before the folder and goes after it; until the layer is ready, it belongs to the process that unpacks it.
 */
export class LayerStore {
  readonly #folder: string;

  constructor(paths: Paths, readonly database: Database) {
    this.#folder = layersFolder(paths);
  }

  /** The folder of a layer. */
  path(number: number): string {
    return join(this.#folder, String(number));
  }

  /** The number of the layer with a diff id; undefined when the store has none that is ready. */
  find(diffId: string): number | undefined {
    return this.database.get<{ number: number }>(
      "SELECT number FROM layers WHERE diff_id = ? AND ready",
      diffId,
    )?.number;
  }

  /** Writes down that a layer is about to be made, so that it is removed should this process die. */
  reserve(layer: LayerBlob): number {
    const owner = JSON.stringify(identify(Deno.pid));
    const number = this.database.run(
      "INSERT INTO layers (diff_id, owner) VALUES (?, ?)",
      layer.diffId,
      owner,
    );
    stepDone();
    return number;
  }

  /**
   * Unpacks a layer under the number that was reserved for it.
   * @throws {ImageError} when it is damaged, or not the one that its diff id says
   * @throws {HostError} when there is no space left, or the file system refuses
   */
  async unpack(layer: LayerBlob, number: number, signal: AbortSignal): Promise<void> {
    const root = this.path(number);
    const trash = root + TRASH_SUFFIX;
    try {
      // programs of images with setuid are none of the host users' business
      Deno.mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
      Deno.mkdirSync(root);
      Deno.mkdirSync(trash, { mode: 0o700 });
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new HostError({ what: `cannot make a folder for ${layer.label}`, why, cause });
    }
    stepDone();
    // loaded only now: most runs find all layers in the store
    const { unpackLayer } = await import("../layer/unpack.ts");
    const { size, isOpaque } = await unpackLayer(layer, root, trash, signal);
    stepDone();
    Deno.removeSync(trash, { recursive: true });
    this.database.run(
      "UPDATE layers SET size = ?, opaque = ? WHERE number = ?",
      size,
      Number(isOpaque),
      number,
    );
  }

  /** Makes an unpacked layer one of the store's. Belongs into the transaction that makes something refer to it. */
  accept(number: number): void {
    this.database.run("UPDATE layers SET ready = 1 WHERE number = ?", number);
  }

  /** Removes what loads have left behind that were killed. Costs almost nothing when there is nothing. */
  recover(): void {
    for (const name of this.#leftovers()) removeTree(join(this.#folder, name));
    const pending = this.database.all<{ number: number; owner: string }>(
      "SELECT number, owner FROM layers WHERE NOT ready",
    );
    for (const { number, owner } of pending) {
      if (!isAlive(JSON.parse(owner) as ProcessIdentity)) this.#remove(number);
    }
  }

  /** Folders that no row speaks of. They are listed before the rows, because a row is there before its folder. */
  #leftovers(): string[] {
    const folders = entriesIn(this.#folder).map(({ name }) => name);
    const numbers = new Set(
      this.database.all<{ number: number }>("SELECT number FROM layers").map((row) => row.number),
    );
    return folders.filter((name) => !numbers.has(parseInt(name, 10)));
  }

  /** Removes a layer of this process that will not be in the store. */
  discard(number: number): void {
    try {
      this.#remove(number);
    } catch {
      // what made the load fail is what the user has to hear of; recover() removes the layer once this process is gone
    }
  }

  /** Removes a layer that is not in the store: first its folders, then what speaks of them. */
  #remove(number: number): void {
    for (const suffix of ["", TRASH_SUFFIX]) removeTree(join(this.#folder, `${number}${suffix}`));
    this.database.run("DELETE FROM layers WHERE number = ?", number);
  }
}
