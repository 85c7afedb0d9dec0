/**
 * Events are written by triggers: so each is in the transaction of the change that it tells of, and no code that makes such a
 * change can forget it.
 */

/** So many events are kept, the newest. */
const KEPT = 1000;

/** What an event says of a container: its labels, its name, its image, as docker has it. */
const about = (row: "NEW" | "OLD", more = "json('{}')") => `
  json_patch(coalesce(json_extract(${row}.config, '$.options.labels'), '{}'),
    json_patch(json_object('image', json_extract(${row}.config, '$.options.image'), 'name', ${row}.name), ${more}))`;

const insert = (type: string, action: string, actor: string, attributes: string) => `
  INSERT INTO events (time, type, action, actor, attributes)
    VALUES (CAST(unixepoch('subsec') * 1000 AS INTEGER), '${type}', ${action}, ${actor}, ${attributes});`;

const container = (action: string, row: "NEW" | "OLD", more?: string) =>
  insert("container", `'${action}'`, `${row}.id`, about(row, more));

const died = (row: "NEW" | "OLD") =>
  container("die", row, `json_object('exitCode', CAST(${row}.exit_code AS TEXT))`) + volumes("unmount", row);

const started = volumes("mount", "NEW") + container("start", "NEW");

const volume = (action: string, row: "NEW" | "OLD") =>
  insert("volume", `'${action}'`, `${row}.name`, "json_object('driver', 'local')");

/** Whether a foreground container's first process is on record (journal.ts): it is about to be its program. */
const isStarted = (row: "NEW" | "OLD") => `instr(${row}.undo, '"undo":"kill"') > 0`;

/** What happens to each volume of a container; a function, because it is used above. */
function volumes(action: "mount" | "unmount", row: "NEW" | "OLD"): string {
  const about = action === "unmount" ? "" : `,
      'destination', json_extract(value, '$.target'),
      'propagation', '',
      'read/write', CASE json_extract(value, '$.readOnly') WHEN 1 THEN 'false' ELSE 'true' END`;
  return `
  INSERT INTO events (time, type, action, actor, attributes)
    SELECT CAST(unixepoch('subsec') * 1000 AS INTEGER), 'volume', '${action}', json_extract(value, '$.name'),
      json_object('container', ${row}.id, 'driver', 'local'${about})
    FROM json_each(${row}.config, '$.mounts') WHERE json_extract(value, '$.type') = 'volume';`;
}

const trigger = (name: string, when: string, body: string) =>
  `CREATE TRIGGER ${name} ${when} BEGIN ${body} END;`;

export const EVENT_SCHEMA = `
  CREATE TABLE events (
    id INTEGER PRIMARY KEY,
    time INTEGER NOT NULL,            -- in ms since 1970
    type TEXT NOT NULL,
    action TEXT NOT NULL,
    actor TEXT NOT NULL,
    attributes TEXT NOT NULL          -- an object of texts (JSON)
  ) STRICT;
  ${trigger("bounded_events", "AFTER INSERT ON events", `DELETE FROM events WHERE id <= NEW.id - ${KEPT};`)}
  ${
  trigger(
    "container_created",
    "AFTER INSERT ON containers WHEN NEW.config IS NOT NULL",
    container("create", "NEW"),
  )
}
  ${
  trigger(
    "container_started",
    "AFTER UPDATE OF status ON containers WHEN NEW.status = 'running' AND OLD.status <> 'running'",
    started,
  )
}
  ${
  trigger(
    "foreground_started",
    `AFTER UPDATE OF undo ON containers
       WHEN NEW.status = 'foreground' AND NEW.config IS NOT NULL AND ${isStarted("NEW")} AND NOT ${
      isStarted("OLD")
    }`,
    started,
  )
}
  ${
  trigger(
    "container_died",
    "AFTER UPDATE OF status ON containers WHEN NEW.status = 'exited' AND OLD.status = 'running'",
    died("NEW"),
  )
}
  ${
  trigger(
    "foreground_died",
    `AFTER DELETE ON containers
       WHEN OLD.status = 'foreground' AND OLD.config IS NOT NULL AND OLD.exit_code IS NOT NULL AND ${
      isStarted("OLD")
    }`,
    died("OLD"),
  )
}
  ${
  trigger(
    "container_destroyed",
    "AFTER DELETE ON containers WHEN OLD.config IS NOT NULL",
    container("destroy", "OLD"),
  )
}
  ${
  trigger(
    "container_renamed",
    "AFTER UPDATE OF name ON containers WHEN NEW.name <> OLD.name AND NEW.config IS NOT NULL",
    container("rename", "NEW", "json_object('oldName', '/' || OLD.name)"),
  )
}
  ${trigger("volume_created", "AFTER INSERT ON volumes", volume("create", "NEW"))}
  ${trigger("volume_destroyed", "AFTER DELETE ON volumes", volume("destroy", "OLD"))}
  ${
  trigger(
    "image_tagged",
    "AFTER INSERT ON tags",
    insert("image", "'tag'", "NEW.image", "json_object('name', NEW.reference)"),
  )
}
  ${
  trigger(
    "image_untagged",
    "AFTER DELETE ON tags",
    insert("image", "'untag'", "OLD.image", "json_object('name', OLD.reference)"),
  )
}
  ${
  trigger(
    "image_deleted",
    "AFTER DELETE ON images",
    insert("image", "'delete'", "OLD.id", "json_object('name', OLD.id)"),
  )
}
  CREATE VIEW container_events AS SELECT '' AS action, id, '{}' AS attributes FROM containers; -- to be inserted into
  ${
  trigger(
    "container_event",
    "INSTEAD OF INSERT ON container_events",
    `
  INSERT INTO events (time, type, action, actor, attributes)
    SELECT CAST(unixepoch('subsec') * 1000 AS INTEGER), 'container', NEW.action, id,
      json_patch(coalesce(json_extract(config, '$.options.labels'), '{}'),
        json_patch(json_object('image', json_extract(config, '$.options.image'), 'name', name), NEW.attributes))
    FROM containers WHERE id = NEW.id AND config IS NOT NULL;`,
  )
}
  ${
  trigger(
    "health_changed",
    "AFTER UPDATE OF status ON health WHEN NEW.status <> OLD.status AND NEW.status <> 'starting'",
    `INSERT INTO container_events (action, id, attributes)
       VALUES ('health_status: ' || NEW.status, NEW.container, '{}');`,
  )
}
`;

/** Comes with the column that it looks at. */
export const OOM_EVENT = trigger(
  "container_out_of_memory",
  "AFTER UPDATE OF oom_killed ON containers WHEN NEW.oom_killed = 1 AND OLD.oom_killed = 0 AND NEW.config IS NOT NULL",
  container("oom", "NEW"),
);

/** What an event says of a network: its name and its kind. */
const aboutNetwork = (row: string, more: string) =>
  `json_object('name', ${row}.name, 'type', coalesce(json_extract(${row}.config, '$.driver'), 'bridge')${more})`;

const network = (action: string, row: "NEW" | "OLD") =>
  insert("network", `'${action}'`, `${row}.id`, aboutNetwork(row, ""));

/** A container comes or goes. */
const attached = (action: string, row: "NEW" | "OLD") => `
  INSERT INTO events (time, type, action, actor, attributes)
    SELECT CAST(unixepoch('subsec') * 1000 AS INTEGER), 'network', '${action}', networks.id,
      ${aboutNetwork("networks", `, 'container', ${row}.container`)}
    FROM networks WHERE name = ${row}.network;`;

/** They come with the tables that they look at. */
export const NETWORK_EVENTS = `
  ${trigger("network_connected", "AFTER INSERT ON endpoints", attached("connect", "NEW"))}
  ${trigger("network_disconnected", "AFTER DELETE ON endpoints", attached("disconnect", "OLD"))}
  ${trigger("network_created", "AFTER INSERT ON networks", network("create", "NEW"))}
  ${trigger("network_destroyed", "AFTER DELETE ON networks", network("destroy", "OLD"))}
`;
