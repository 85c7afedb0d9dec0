import { Database } from "../../../src/state/database.ts";
import { type Paths, pathsUnder } from "../../../src/state/paths.ts";

/** dhow's folders below a temporary one, which goes when it is disposed of. */
export class TemporaryState implements Disposable {
  readonly #folder = Deno.makeTempDirSync({ prefix: "dhow-unit-" });
  readonly #opened: Database[] = [];
  readonly paths: Paths = pathsUnder(`${this.#folder}/root`);

  /** Opens the database, once more each time. */
  open(): Database {
    const database = Database.open(this.paths);
    this.#opened.push(database);
    return database;
  }

  [Symbol.dispose](): void {
    for (const database of this.#opened) database.close();
    Deno.removeSync(this.#folder, { recursive: true });
  }
}

/** A row for a container that nothing answers for. */
export function addContainer(database: Database, id: string, name = `name-${id}`): void {
  database.run(
    "INSERT INTO containers (id, name, image, owner, undo) VALUES (?, ?, NULL, '{}', '[]')",
    id,
    name,
  );
}
