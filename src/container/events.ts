/**
 * What has happened to containers, networks, images and volumes. Changes of the database write their own events, in the same transaction
 * (the triggers in src/state/database.ts); this is for what leaves no trace there, and for reading.
 */
import type { Database } from "../state/database.ts";

export interface Event {
  readonly id: number;
  /** In milliseconds since 1970. */
  readonly time: number;
  /** `container`, `network`, `image` or `volume`. */
  readonly type: string;
  readonly action: string;
  /** The id of what it happened to; an image's may be its name. */
  readonly actor: string;
  readonly attributes: Readonly<Record<string, string>>;
}

/** Writes down what happened to a container, unless it has gone meanwhile. */
export function recordEvent(
  database: Database,
  container: string,
  action: string,
  attributes: Readonly<Record<string, string>> = {},
): void {
  database.run(
    "INSERT INTO container_events (action, id, attributes) VALUES (?, ?, ?)",
    action,
    container,
    JSON.stringify(attributes),
  );
}

/** Writes down what happened to an image: it has changed nothing in the database, or something that other work changes, too. */
export function recordImageEvent(
  database: Database,
  action: "import" | "load" | "pull" | "push" | "save",
  image: string,
  name: string,
): void {
  insertEvent(database, "image", action, image, { name });
}

/** Writes down that something was pruned. @param bytes that this has given back */
export function recordPrune(
  database: Database,
  type: "container" | "image" | "network" | "volume",
  bytes: number,
): void {
  insertEvent(database, type, "prune", "", { reclaimed: String(bytes) });
}

function insertEvent(
  database: Database,
  type: string,
  action: string,
  actor: string,
  attributes: Readonly<Record<string, string>>,
): void {
  database.run(
    "INSERT INTO events (time, type, action, actor, attributes) VALUES (?, ?, ?, ?, ?)",
    Date.now(),
    type,
    action,
    actor,
    JSON.stringify(attributes),
  );
}

/** The events after one, the oldest first. */
export function eventsAfter(database: Database, id: number): Event[] {
  return database.all<Omit<Event, "attributes"> & { attributes: string }>(
    "SELECT id, time, type, action, actor, attributes FROM events WHERE id > ? ORDER BY id",
    id,
  ).map((row) => ({ ...row, attributes: JSON.parse(row.attributes) }));
}

/** The newest event's number. */
export function lastEvent(database: Database): number {
  return database.get<{ id: number | null }>("SELECT max(id) AS id FROM events")?.id ?? 0;
}
