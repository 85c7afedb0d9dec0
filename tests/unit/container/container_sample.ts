import type { ContainerConfig, ContainerRecord } from "../../../src/container/records.ts";
import type { RunOptions } from "../../../src/container/options.ts";
import type { Database } from "../../../src/state/database.ts";
import { CONFIG, ID, OPTIONS } from "./sample.ts";

/** How a container was wanted, for tests that need no more than a record of it. */
export function sampleConfig(options: Partial<RunOptions> = {}): ContainerConfig {
  return {
    options: { ...OPTIONS, ...options },
    source: "sample",
    command: ["sh"],
    stopSignal: "SIGTERM",
    defaults: CONFIG,
  };
}

export function sampleRecord(
  changes: Partial<ContainerRecord> = {},
  options: Partial<RunOptions> = {},
): ContainerRecord {
  return {
    id: ID,
    name: "sample",
    image: `sha256:${"a".repeat(64)}`,
    status: "running",
    owner: null,
    config: sampleConfig(options),
    process: null,
    created: 0,
    started: 0,
    finished: null,
    exitCode: null,
    error: null,
    restarts: 0,
    restartDelay: 0,
    oomKilled: false,
    stopped: 0,
    ...changes,
  };
}

/** Puts a container on record that does not run. */
export function insertContainer(
  database: Database,
  id: string,
  { name = `name-${id.slice(0, 4)}`, status = "created", owner = "null", options = {}, undo = "[]" }: {
    name?: string;
    status?: string;
    owner?: string;
    options?: Partial<RunOptions>;
    undo?: string;
  } = {},
): void {
  database.run(
    `INSERT INTO containers (id, name, image, owner, undo, status, config, created)
     VALUES (?, ?, 'sha256:a', ?, ?, ?, ?, 1)`,
    id,
    name,
    owner,
    undo,
    status,
    JSON.stringify(sampleConfig(options)),
  );
}
