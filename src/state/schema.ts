import { EVENT_SCHEMA, NETWORK_EVENTS, OOM_EVENT } from "./event_schema.ts";

/** The schema that this dhow writes, as PRAGMA user_version. Each entry brings a database from one version to the next. */
export const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE images (
    id TEXT PRIMARY KEY,              -- sha256:… of the config
    config TEXT NOT NULL,             -- the config, byte for byte
    size INTEGER NOT NULL,            -- of all its layers, unpacked, in bytes
    facts TEXT,                       -- what a start needs to know of its files (JSON); NULL until it was looked up
    source TEXT                       -- the archive that "run" took it from; NULL when it was loaded
  ) STRICT;
  CREATE TABLE tags (
    reference TEXT PRIMARY KEY,       -- name:tag
    image TEXT NOT NULL REFERENCES images (id) ON DELETE CASCADE
  ) STRICT;
  CREATE TABLE layers (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    diff_id TEXT NOT NULL,            -- sha256:… of the uncompressed tar
    size INTEGER NOT NULL DEFAULT 0,  -- sum of its files, in bytes
    opaque INTEGER NOT NULL DEFAULT 0, -- 1: it hides all layers below it
    ready INTEGER NOT NULL DEFAULT 0,
    owner TEXT NOT NULL               -- the process that unpacks it, while it is not ready (ProcessIdentity as JSON)
  ) STRICT;
  CREATE UNIQUE INDEX ready_layers ON layers (diff_id) WHERE ready = 1;
  CREATE TABLE image_layers (
    image TEXT NOT NULL REFERENCES images (id) ON DELETE CASCADE,
    position INTEGER NOT NULL,        -- 0 is the lowest
    layer INTEGER NOT NULL REFERENCES layers (number),
    PRIMARY KEY (image, position)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE containers (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    image TEXT,
    owner TEXT NOT NULL,              -- the process that answers for it (ProcessIdentity as JSON)
    undo TEXT NOT NULL                -- the journal: what must be undone for it (a JSON array of Undo), first step first
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE networks (
    name TEXT PRIMARY KEY,
    bridge TEXT NOT NULL,
    subnet TEXT NOT NULL,             -- a.b.c.d/n
    last_address INTEGER NOT NULL,    -- the address given out last, as a number
    made TEXT,                        -- what was changed on the host for it (JSON); NULL while it is not there
    idle_since INTEGER,               -- when its last container left, in ms since 1970
    keeper TEXT                       -- the process that deletes it if it stays idle (ProcessIdentity as JSON)
  ) STRICT;
  CREATE TABLE endpoints (
    container TEXT PRIMARY KEY REFERENCES containers (id) ON DELETE CASCADE,
    network TEXT NOT NULL REFERENCES networks (name),
    address INTEGER NOT NULL,
    UNIQUE (network, address)
  ) STRICT, WITHOUT ROWID;
  `,
  `
  ALTER TABLE layers ADD COLUMN form TEXT NOT NULL DEFAULT 'folder'; -- 'tar' or 'folder', see src/image/store/layers.ts
  ALTER TABLE layers ADD COLUMN tar_size INTEGER NOT NULL DEFAULT 0; -- bytes of the uncompressed tar
  DROP INDEX ready_layers;
  CREATE UNIQUE INDEX ready_layers ON layers (diff_id, form) WHERE ready = 1;
  CREATE TABLE image_diff_ids (
    image TEXT NOT NULL REFERENCES images (id) ON DELETE CASCADE,
    position INTEGER NOT NULL,        -- 0 is the lowest
    diff_id TEXT NOT NULL,
    PRIMARY KEY (image, position)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX images_of_layers ON image_diff_ids (diff_id);
  INSERT INTO image_diff_ids SELECT image, position, diff_id FROM image_layers JOIN layers ON number = layer;
  DROP TABLE image_layers;
  CREATE TABLE indexes (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    chain_id TEXT,                    -- sha256:… of the layers that it is of; NULL for an archive's
    devices TEXT NOT NULL DEFAULT '[]', -- numbers of those layers that are its devices (JSON)
    ready INTEGER NOT NULL DEFAULT 0,
    owner TEXT NOT NULL               -- the process that writes or removes it, while it is not ready
  ) STRICT;
  CREATE UNIQUE INDEX ready_indexes ON indexes (chain_id) WHERE ready = 1;
  CREATE TABLE archives (             -- archives that "run" uses in place
    path TEXT PRIMARY KEY,
    identity TEXT NOT NULL,           -- what tells whether it was changed since (JSON)
    image TEXT NOT NULL,              -- sha256:… of the config
    config TEXT NOT NULL,
    facts TEXT NOT NULL,
    "index" INTEGER NOT NULL REFERENCES indexes (number)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE digests (              -- manifests that registries have of an image
    repository TEXT NOT NULL,
    digest TEXT NOT NULL,
    image TEXT NOT NULL REFERENCES images (id) ON DELETE CASCADE,
    PRIMARY KEY (repository, digest)
  ) STRICT, WITHOUT ROWID;
  ALTER TABLE images ADD COLUMN media_type TEXT; -- of the manifest that it came with; NULL when it came with none
  CREATE TABLE blobs (                -- blobs, compressed with gzip, that registries have of a layer
    diff_id TEXT NOT NULL,
    repository TEXT NOT NULL,         -- with the registry: localhost:5000/team/app
    digest TEXT NOT NULL,
    size INTEGER NOT NULL,            -- in bytes
    PRIMARY KEY (diff_id, repository)
  ) STRICT;
  CREATE TABLE host_facts (           -- what was found out about the host, until it boots anew
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;
  `,
  // owner: while a command works on it, that command; while it runs, its monitor; else null (as JSON)
  `
  ALTER TABLE containers ADD COLUMN status TEXT NOT NULL DEFAULT 'foreground'; -- see src/container/records.ts
  ALTER TABLE containers ADD COLUMN config TEXT; -- how it was wanted (ContainerConfig as JSON)
  ALTER TABLE containers ADD COLUMN process TEXT; -- its first process, since it was started (ProcessIdentity as JSON)
  ALTER TABLE containers ADD COLUMN created INTEGER NOT NULL DEFAULT 0; -- this and the next two in ms since 1970
  ALTER TABLE containers ADD COLUMN started INTEGER;
  ALTER TABLE containers ADD COLUMN finished INTEGER;
  ALTER TABLE containers ADD COLUMN exit_code INTEGER; -- of its last run
  ALTER TABLE containers ADD COLUMN error TEXT; -- why it could not be started, or why the exit code is not known
  ALTER TABLE containers ADD COLUMN restarts INTEGER NOT NULL DEFAULT 0; -- by its policy, since it was started by somebody
  ALTER TABLE containers ADD COLUMN restart_delay INTEGER NOT NULL DEFAULT 0; -- of the last of them, in ms
  ALTER TABLE containers ADD COLUMN stopped INTEGER NOT NULL DEFAULT 0; -- see STOPPED in src/container/records.ts
  CREATE TABLE volumes (
    name TEXT PRIMARY KEY,
    created INTEGER NOT NULL,         -- in ms since 1970
    anonymous INTEGER NOT NULL,       -- 1: made for one container, and named by nobody
    labels TEXT NOT NULL DEFAULT '{}', -- JSON
    options TEXT NOT NULL DEFAULT '{}' -- VolumeOptions as JSON
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE volume_mounts (        -- running containers that have what is mounted on a volume's folder
    volume TEXT NOT NULL,
    container TEXT NOT NULL REFERENCES containers (id) ON DELETE CASCADE,
    PRIMARY KEY (volume, container)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE container_volumes (
    container TEXT NOT NULL REFERENCES containers (id) ON DELETE CASCADE,
    volume TEXT NOT NULL REFERENCES volumes (name),
    target TEXT NOT NULL,             -- where it is mounted
    fill INTEGER NOT NULL,            -- 1: what the image has there is still to be copied, if it is empty
    PRIMARY KEY (container, target)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX containers_of_volumes ON container_volumes (volume);
  CREATE TABLE joins (                -- whose namespaces a container joins when it starts
    container TEXT NOT NULL REFERENCES containers (id) ON DELETE CASCADE,
    kind TEXT NOT NULL,               -- network, ipc or pid
    partner TEXT NOT NULL,            -- the id of a container, which may be gone
    PRIMARY KEY (container, kind)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX joins_of_partners ON joins (partner);
  CREATE TABLE health (               -- of the containers that are checked, or were
    container TEXT PRIMARY KEY REFERENCES containers (id) ON DELETE CASCADE,
    status TEXT NOT NULL DEFAULT 'starting', -- see src/container/health.ts
    streak INTEGER NOT NULL DEFAULT 0, -- how many probes have failed one after another
    log TEXT NOT NULL DEFAULT '[]'    -- the last probes (a JSON array of ProbeResult)
  ) STRICT, WITHOUT ROWID;
  ${EVENT_SCHEMA}
  `,
  `
  CREATE TABLE reserve (bytes BLOB NOT NULL) STRICT; -- empty: see src/state/reserve.ts
  `,
  `
  ALTER TABLE containers ADD COLUMN oom_killed INTEGER NOT NULL DEFAULT 0; -- 1: something of its last run was, for lack of memory
  ${OOM_EVENT}
  `,
  `
  CREATE TABLE id_ranges (             -- ids of the host that are ids of a container with a user namespace
    container TEXT NOT NULL REFERENCES containers (id) ON DELETE CASCADE,
    kind TEXT NOT NULL,               -- uid or gid
    start INTEGER NOT NULL,
    size INTEGER NOT NULL,
    PRIMARY KEY (container, kind, start)
  ) STRICT, WITHOUT ROWID;
  `,
  `
  CREATE TABLE copies (               -- of images, with the ids that some containers have on the host
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    content TEXT NOT NULL,            -- of what: see src/image/store/copies.ts
    mapping TEXT NOT NULL,            -- for which ids (JSON)
    size INTEGER NOT NULL DEFAULT 0,  -- of its files, in bytes
    ready INTEGER NOT NULL DEFAULT 0,
    owner TEXT NOT NULL               -- the process that makes or removes it, while it is not ready
  ) STRICT;
  CREATE UNIQUE INDEX ready_copies ON copies (content, mapping) WHERE ready = 1;
  ALTER TABLE containers ADD COLUMN content TEXT; -- what its image holds, if it has ids of its own
  ALTER TABLE containers ADD COLUMN copy INTEGER REFERENCES copies (number); -- that it has in its image's place
  `,
  `
  ALTER TABLE networks ADD COLUMN id TEXT NOT NULL DEFAULT ''; -- 64 hexadecimal digits
  ALTER TABLE networks ADD COLUMN config TEXT; -- how it was wanted (NetworkConfig as JSON); NULL: every host has it
  ALTER TABLE networks ADD COLUMN created INTEGER NOT NULL DEFAULT 0; -- in ms since 1970
  INSERT INTO networks (name, bridge, subnet, last_address) VALUES ('bridge', '', '', 0), ('host', '', '', 0), ('none', '', '', 0)
    ON CONFLICT DO NOTHING; -- the first gets a bridge and a subnet when it is used
  UPDATE networks SET id = lower(hex(randomblob(32))), created = CAST(unixepoch('subsec') * 1000 AS INTEGER);
  CREATE UNIQUE INDEX network_ids ON networks (id);
  ALTER TABLE endpoints RENAME TO former_endpoints;
  CREATE TABLE endpoints (             -- places of containers in networks
    container TEXT NOT NULL REFERENCES containers (id) ON DELETE CASCADE,
    network TEXT NOT NULL REFERENCES networks (name),
    address INTEGER NOT NULL,
    address6 TEXT,                    -- in its usual form
    hardware TEXT NOT NULL,           -- its MAC address
    number INTEGER NOT NULL,          -- of its link in the container: 0 for eth0
    named INTEGER NOT NULL DEFAULT 1, -- see NAMED in src/network/network.ts
    owner TEXT,                       -- the process that connects or disconnects a running container (ProcessIdentity as JSON)
    PRIMARY KEY (container, network),
    UNIQUE (network, address),
    UNIQUE (network, address6)
  ) STRICT, WITHOUT ROWID;
  INSERT INTO endpoints SELECT container, network, address, NULL, format('02:42:%02x:%02x:%02x:%02x',
    address >> 24 & 255, address >> 16 & 255, address >> 8 & 255, address & 255), 0, 1, NULL FROM former_endpoints;
  DROP TABLE former_endpoints;
  CREATE TABLE published_ports (       -- ports of the host that lead to running containers
    container TEXT NOT NULL REFERENCES containers (id) ON DELETE CASCADE,
    protocol TEXT NOT NULL,           -- tcp, udp or sctp
    ip TEXT NOT NULL,                 -- of the host; empty for all that it has
    host_port INTEGER NOT NULL,
    container_port INTEGER NOT NULL,
    PRIMARY KEY (protocol, host_port, ip)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX ports_of_containers ON published_ports (container);
  ${NETWORK_EVENTS}
  `,
  `
  ALTER TABLE containers ADD COLUMN name_server TEXT; -- what answers its questions for names (ProcessIdentity as JSON); NULL for none
  `,
];
