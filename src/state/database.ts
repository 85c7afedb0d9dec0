import { basename, dirname } from "@std/path";
import { DatabaseSync } from "node:sqlite";
import { HostError } from "../errors.ts";
import { BEGIN_ANEW, explain, explained, problemOf } from "./database_error.ts";
import {
  containersFolder,
  copiesFolder,
  databasePath,
  indexesFolder,
  layersFolder,
  type Paths,
  volumesFolder,
} from "./paths.ts";
import { entriesIn } from "./read.ts";
import { keepReserve } from "./reserve.ts";
import { MIGRATIONS } from "./schema.ts";

/** Everything below these folders belongs to the database beside them, and what it does not know there is removed. */
const OWNED = [containersFolder, layersFolder, indexesFolder, copiesFolder, volumesFolder];

/** @throws {HostError} when a new database would have what is there already removed */
function refuseStrangers(paths: Paths): void {
  const full = OWNED.map((folder) => folder(paths)).filter((folder) => entriesIn(folder).length > 0);
  if (full.length === 0) return;
  throw new HostError({
    what: `cannot begin a new database in "${paths.state}"`,
    why: `there are ${full.map((folder) => basename(folder)).join(", ")} of one that is lost`,
    hint: BEGIN_ANEW,
  });
}

/** Its user's alone: environments of containers are in it, and so passwords. SQLite makes its other files with the same mode. */
const MODE = 0o600;

function makeFile(path: string): void {
  try {
    Deno.openSync(path, { write: true, createNew: true, mode: MODE }).close();
  } catch (error) {
    // one that is there must not be opened here: closing it would end SQLite's locks (fcntl(2))
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
  }
}

function closeFile(path: string): void {
  try {
    Deno.chmodSync(path, MODE);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/**
 * dhow's database: names, addresses, references, and the journal of what must be undone. Write-ahead logging with
 * synchronous=NORMAL: a commit survives any death of the process. It may be lost with the machine's power, but then all
 * that the journal speaks of is gone as well, except for folders, which recovery finds by their names.
 */
export class Database {
  readonly #connection: DatabaseSync;
  readonly #statements = new Map<string, ReturnType<DatabaseSync["prepare"]>>();

  private constructor(connection: DatabaseSync) {
    this.#connection = connection;
  }

  /**
   * Opens the database, makes it if it is not there, and brings its schema up to date.
   * @throws {HostError} when it was written by a newer dhow, or cannot be opened
   */
  static open(paths: Paths): Database {
    const path = databasePath(paths);
    let connection: DatabaseSync;
    try {
      Deno.mkdirSync(paths.state, { recursive: true, mode: 0o711 });
      makeFile(path);
      connection = new DatabaseSync(path);
      // twenty commands at once wait for each other rather than fail
      connection.exec("PRAGMA busy_timeout = 30000; PRAGMA foreign_keys = ON; PRAGMA synchronous = NORMAL");
      // the first to open the database reads the whole log: it must stay short (default: 1000 pages)
      connection.exec("PRAGMA wal_autocheckpoint = 100");
    } catch (cause) {
      throw new HostError({
        what: `cannot open the database "${path}"`,
        why: cause instanceof Error ? cause.message : String(cause),
        hint: problemOf(cause)?.hint ?? "dhow needs to write there; --root DIR chooses another place",
        cause,
      });
    }
    const database = new Database(connection);
    database.#migrate(paths);
    keepReserve(connection, path);
    return database;
  }

  #version(): number {
    return (this.#connection.prepare("PRAGMA user_version").get() as { user_version: number }).user_version;
  }

  #migrate(paths: Paths): void {
    const path = databasePath(paths);
    const found = explained(() => this.#version());
    if (found === MIGRATIONS.length) return;
    // SQLite's time-out does not hold for two who change the journal's mode at once: one of them fails at once
    using folder = Deno.openSync(dirname(path));
    folder.lockSync(true);
    explained(() => this.#connection.exec("PRAGMA journal_mode = WAL"));
    for (const suffix of ["", "-wal", "-shm"]) closeFile(`${path}${suffix}`); // an older dhow has left them open to all
    // once it is there, whatever else is must not outlive it
    this.#connection.exec("PRAGMA synchronous = FULL");
    this.transaction(() => {
      const version = this.#version();
      if (version === 0) refuseStrangers(paths);
      if (version > MIGRATIONS.length) {
        throw new HostError({
          what: `cannot use the database "${path}"`,
          why: `its schema has version ${version}, this dhow knows versions up to ${MIGRATIONS.length}`,
          hint: "use the newer dhow that wrote it, or another --root",
        });
      }
      for (const migration of MIGRATIONS.slice(version)) this.#connection.exec(migration);
      this.#connection.exec(`PRAGMA user_version = ${MIGRATIONS.length}`);
    });
    this.#connection.exec("PRAGMA wal_checkpoint; PRAGMA synchronous = NORMAL");
    folder.syncSync();
  }

  /**
   * Runs `work` in one transaction that no other dhow command can interleave with; rolls back if it throws. `work` must
   * not wait for anything.
   */
  transaction<T>(work: () => T): T {
    explained(() => this.#connection.exec("BEGIN IMMEDIATE"));
    try {
      const result = work();
      this.#connection.exec("COMMIT");
      return result;
    } catch (error) {
      try {
        this.#connection.exec("ROLLBACK");
      } catch {
        // SQLite has rolled back by itself, as it does when the disk is full
      }
      throw explain(error);
    }
  }

  #prepare(sql: string) {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#connection.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }

  /** All rows of a query. */
  all<Row>(sql: string, ...values: (string | number | null)[]): Row[] {
    return explained(() => this.#prepare(sql).all(...values)) as Row[];
  }

  /** The first row of a query. */
  get<Row>(sql: string, ...values: (string | number | null)[]): Row | undefined {
    return explained(() => this.#prepare(sql).get(...values)) as Row | undefined;
  }

  /** A statement without rows. Returns the rowid that it inserted, if it did. */
  run(sql: string, ...values: (string | number | null)[]): number {
    return Number(explained(() => this.#prepare(sql).run(...values)).lastInsertRowid);
  }

  close(): void {
    this.#connection.close();
  }
}
