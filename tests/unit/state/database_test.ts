import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { endpointsOf } from "../../../src/network/endpoints.ts";
import { networkRows } from "../../../src/network/records.ts";
import { MIGRATIONS } from "../../../src/state/schema.ts";
import { DatabaseSync } from "node:sqlite";
import { HostError } from "../../../src/errors.ts";
import { Database } from "../../../src/state/database.ts";
import { databasePath, pathsUnder } from "../../../src/state/paths.ts";
import { addContainer, TemporaryState } from "./temporary.ts";
import { askWorkers } from "./workers.ts";

function version(path: string): number {
  const connection = new DatabaseSync(path);
  try {
    return (connection.prepare("PRAGMA user_version").get() as { user_version: number }).user_version;
  } finally {
    connection.close();
  }
}

Deno.test("a database is made with its folder when there is none, and found again with what it held", () => {
  using state = new TemporaryState();
  addContainer(state.open(), "a");
  assertEquals(state.open().all("SELECT id, name FROM containers").map((row) => ({ ...row as object })), [
    { id: "a", name: "name-a" },
  ]);
  assert(version(databasePath(state.paths)) > 0);
});

Deno.test("the database's folder can be passed through but not listed by other users", () => {
  using state = new TemporaryState();
  const umask = Deno.umask(0);
  try {
    state.open();
  } finally {
    Deno.umask(umask);
  }
  assertEquals((Deno.statSync(state.paths.state).mode ?? 0) & 0o777, 0o711);
});

Deno.test("a database that a newer dhow wrote is refused, and left as it is", () => {
  using state = new TemporaryState();
  state.open();
  const path = databasePath(state.paths);
  const connection = new DatabaseSync(path);
  connection.exec("PRAGMA user_version = 9999; DROP TABLE endpoints");
  connection.close();
  const error = assertThrows(() => state.open(), HostError, "9999");
  assertMatch(error.message, /newer dhow/);
  assertEquals(version(path), 9999);
});

Deno.test("a database without a schema gets one, and what else it holds stays", () => {
  using state = new TemporaryState();
  Deno.mkdirSync(state.paths.state, { recursive: true });
  const connection = new DatabaseSync(databasePath(state.paths));
  connection.exec("CREATE TABLE other (text TEXT); INSERT INTO other VALUES ('kept')");
  connection.close();
  const database = state.open();
  addContainer(database, "a");
  assertEquals(database.get<{ text: string }>("SELECT text FROM other")?.text, "kept");
});

Deno.test("a schema that cannot be brought up to date is left as it was", () => {
  using state = new TemporaryState();
  Deno.mkdirSync(state.paths.state, { recursive: true });
  const path = databasePath(state.paths);
  const connection = new DatabaseSync(path);
  connection.exec("CREATE TABLE endpoints (mine TEXT)"); // in the way of the last table that is made
  connection.close();
  assertThrows(() => state.open());
  const again = new DatabaseSync(path);
  const tables = again.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").all().map(({ name }) =>
    name
  );
  again.close();
  assertEquals(tables, ["endpoints"]);
  assertEquals(version(path), 0);
});

Deno.test("a path that cannot hold a database is named, with what to do about it", () => {
  using state = new TemporaryState();
  Deno.mkdirSync(databasePath(state.paths), { recursive: true });
  const error = assertThrows(() => state.open(), HostError, databasePath(state.paths));
  assertMatch(error.message, /--root/);
});

Deno.test("a file that is no database is explained like any other that cannot be opened", () => {
  using state = new TemporaryState();
  Deno.mkdirSync(state.paths.state, { recursive: true });
  Deno.writeTextFileSync(databasePath(state.paths), "this is not a database\n".repeat(100));
  assertThrows(() => state.open(), HostError, databasePath(state.paths));
});

Deno.test("a transaction that throws leaves nothing, and the next one works", () => {
  using state = new TemporaryState();
  const database = state.open();
  const thrown = assertThrows(() =>
    database.transaction(() => {
      addContainer(database, "a");
      throw new RangeError("halfway");
    }), RangeError);
  assertEquals(thrown.message, "halfway");
  assertEquals(database.all("SELECT * FROM containers"), []);
  assertEquals(database.transaction(() => (addContainer(database, "b"), "result")), "result");
  assertEquals(database.get<{ n: number }>("SELECT count(*) AS n FROM containers")?.n, 1);
});

Deno.test("what one connection commits, the other sees; what it has not committed, the other does not", () => {
  using state = new TemporaryState();
  const [one, other] = [state.open(), state.open()];
  const count = () => other.get<{ n: number }>("SELECT count(*) AS n FROM containers")?.n;
  one.transaction(() => {
    addContainer(one, "a");
    assertEquals(count(), 0);
  });
  assertEquals(count(), 1);
});

Deno.test("a name and an address cannot be held twice, nor an address by a container that is not there", () => {
  using state = new TemporaryState();
  const database = state.open();
  database.run(
    "INSERT INTO networks (name, id, bridge, subnet, last_address) VALUES ('n', 'i', 'b', '10.0.0.0/24', 0)",
  );
  addContainer(database, "a", "same");
  assertThrows(() => addContainer(database, "b", "same"), Error, "UNIQUE");
  const take = (container: string) =>
    database.run(
      "INSERT INTO endpoints (container, network, address, hardware, number) VALUES (?, 'n', 5, '', 0)",
      container,
    );
  take("a");
  addContainer(database, "c");
  assertThrows(() => take("c"), Error, "UNIQUE");
  assertThrows(() => take("missing"), Error);
});

Deno.test("an address is given back with its container", () => {
  using state = new TemporaryState();
  const database = state.open();
  database.run(
    "INSERT INTO networks (name, id, bridge, subnet, last_address) VALUES ('n', 'i', 'b', '10.0.0.0/24', 0)",
  );
  addContainer(database, "a");
  database.run(
    "INSERT INTO endpoints (container, network, address, hardware, number) VALUES ('a', 'n', 5, '', 0)",
  );
  database.run("DELETE FROM containers WHERE id = 'a'");
  assertEquals(database.all("SELECT * FROM endpoints"), []);
});

Deno.test("commands that are the first to open a database at once all find it made, and lose no row", async () => {
  using state = new TemporaryState();
  const paths = Array.from({ length: 40 }, (_, round) => pathsUnder(`${state.paths.state}/${round}`));
  const arrived = new SharedArrayBuffer(4 * paths.length);
  const messages = [0, 1, 2].map((worker, _, { length: workers }) => ({
    paths,
    ids: Array.from({ length: 3 }, (_, index) => `${worker}-${index}`),
    workers,
    arrived,
  }));
  await askWorkers<number>(import.meta.resolve("./opening_worker.ts"), messages);
  for (const each of paths) {
    const database = Database.open(each);
    assertEquals(database.get<{ n: number }>("SELECT count(*) AS n FROM containers")?.n, 9);
    database.close();
  }
});

Deno.test("a disk that is full is explained, whichever call of SQLite meets it", () => {
  using state = new TemporaryState();
  const database = state.open();
  const error = assertThrows(() => {
    database.run("PRAGMA max_page_count = 1");
    for (let count = 0; count < 1000; count++) {
      database.run(
        "INSERT INTO containers (id, name, owner, undo) VALUES (?, ?, '', ?)",
        `${count}`,
        `${count}`,
        "x".repeat(1000),
      );
    }
  }, HostError);
  assertMatch(error.message, /disk is full.*free some space/);
});

const TABLES_OF_2 =
  "images tags layers containers networks endpoints image_diff_ids indexes archives digests blobs host_facts"
    .split(" ");

/** A database as a dhow with an older schema has left it. */
function olderDatabase(state: TemporaryState, schema: number): void {
  state.open();
  const connection = new DatabaseSync(databasePath(state.paths));
  // what the newest migration has added is taken away again
  for (const kind of ["trigger", "view"]) {
    const names = connection.prepare("SELECT name FROM sqlite_schema WHERE type = ?").all(kind);
    for (const { name } of names) connection.exec(`DROP ${kind} ${name}`);
  }
  const tables = connection.prepare(
    "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'",
  )
    .all().map(({ name }) => String(name)).filter((name) => !TABLES_OF_2.includes(name));
  for (const table of tables) connection.exec(`DROP TABLE ${table}`);
  const added = connection.prepare("PRAGMA table_info(containers)").all().map(({ name }) => String(name))
    .filter((name) => !["id", "name", "image", "owner", "undo"].includes(name));
  for (const column of added) connection.exec(`ALTER TABLE containers DROP COLUMN ${column}`);
  connection.exec("DROP INDEX network_ids; DELETE FROM networks; DROP TABLE endpoints");
  for (const column of ["id", "config", "created"]) {
    connection.exec(`ALTER TABLE networks DROP COLUMN ${column}`);
  }
  connection.exec(
    `CREATE TABLE endpoints (container TEXT PRIMARY KEY REFERENCES containers (id) ON DELETE CASCADE,
    network TEXT NOT NULL REFERENCES networks (name), address INTEGER NOT NULL, UNIQUE (network, address)) STRICT, WITHOUT ROWID`,
  );
  connection.exec(`PRAGMA user_version = ${schema}`);
  connection.close();
}

Deno.test("nobody else may read it, nor what SQLite has beside it, also if an older dhow let everybody", () => {
  using state = new TemporaryState();
  olderDatabase(state, 2);
  const path = databasePath(state.paths);
  const modes = () =>
    ["", "-wal", "-shm"].map((suffix) => (Deno.statSync(`${path}${suffix}`).mode ?? 0) & 0o777);
  Deno.chmodSync(path, 0o644);
  state.open();
  assertEquals(modes(), [0o600, 0o600, 0o600]);
  using anew = new TemporaryState();
  const mask = Deno.umask(0);
  try {
    anew.open();
  } finally {
    Deno.umask(mask);
  }
  assertEquals((Deno.statSync(databasePath(anew.paths)).mode ?? 0) & 0o777, 0o600);
});

Deno.test("a database of an older dhow is brought up to date, and keeps what is in it", () => {
  using state = new TemporaryState();
  olderDatabase(state, 2);
  const connection = new DatabaseSync(databasePath(state.paths));
  connection.exec("INSERT INTO containers VALUES ('old', 'left', NULL, '{}', '[]')");
  connection.exec("INSERT INTO networks VALUES ('bridge', 'dhow3', '100.100.1.0/24', 7, '{}', NULL, NULL)");
  connection.exec("INSERT INTO endpoints VALUES ('old', 'bridge', 1684275461)");
  connection.close();
  const database = state.open();
  const row = database.get<Record<string, unknown>>("SELECT * FROM containers");
  assertEquals([row?.id, row?.name, row?.status, row?.restarts, row?.config], [
    "old",
    "left",
    "foreground",
    0,
    null,
  ]);
  assertEquals(
    endpointsOf(database, "old").map(({ hardwareAddress, link, network: { bridge } }) =>
      [hardwareAddress, link, bridge].join(" ")
    ),
    ["02:42:64:64:01:05 vethold dhow3"],
  );
  assertEquals(networkRows(database).map(({ name, id }) => `${name} ${id.length}`), [
    "bridge 64",
    "host 64",
    "none 64",
  ]);
  assertEquals(version(databasePath(state.paths)), MIGRATIONS.length);
});
