import { join } from "@std/path";
import { libcCall } from "../../ffi/table.ts";
import { childConfig } from "../image/change/child_config.ts";
import { digestOf } from "../image/digest_of.ts";
import { parseImageConfig } from "../image/config.ts";
import type { ProcessConfig } from "../image/change/process_config.ts";
import type { LayerBlob, SourceImage } from "../image/source/source.ts";
import { Spool } from "../image/source/spool.ts";
import { TarWriter } from "../image/tar/writer.ts";
import { openFolder } from "../image/walk/directory.ts";
import { log } from "../log.ts";
import { containerState, type Paths } from "../state/paths.ts";
import { readIfThere } from "../state/read.ts";
import { writeChanges } from "./changes.ts";
import { idsOnDisk } from "./copied_image.ts";
import { pathExists } from "../../ffi/files.ts";
import type { Database } from "../state/database.ts";
import type { ContainerConfig, ContainerRecord } from "./records.ts";
import { processConfig } from "./process_config.ts";
import { type RunningContainer, whileAlive } from "./running.ts";
import { whileStopped } from "./tree_view.ts";
import { driverOf } from "./user_namespace.ts";

export interface CommitOptions {
  readonly author: string | undefined;
  readonly message: string | undefined;
  /** Instructions of a Dockerfile. */
  readonly changes: readonly string[];
}

/** The image that a container was made of. */
export type ParentImage = Pick<SourceImage, "configText" | "layers">;

/**
 * Makes an image of a container: the layers of its image, and one more with the container's changes, if there are any.
 * @param parent the container's image; its layers can be read until that is done
 * @param load puts the image into the store; its layers can be read until that is done
 * @param signal breaks it off
 * @returns what `load` returned
 * @throws {DhowError} when the container ends before all is read
 */
export async function commitContainer<T>(
  { container, parent, paths, options, signal }: {
    container: CommittedContainer;
    parent: ParentImage;
    paths: Paths;
    options: CommitOptions;
    signal: AbortSignal;
  },
  load: (image: SourceImage) => Promise<T>,
): Promise<T> {
  const label = JSON.stringify(container.name);
  using spool = new Spool({ folder: paths.state, label: `the changes of ${label}` });
  const what = `cannot commit container ${label}`;
  const isChanged = await container.guard(what, () => spoolChanges(container, paths, spool, signal));
  const diffId = spool.digest();
  const configText = childConfig(parent.configText, {
    diffId: isChanged ? diffId : undefined,
    created: new Date().toISOString(),
    createdBy: container.command,
    ...(options.author === undefined ? {} : { author: options.author }),
    ...(options.message === undefined ? {} : { comment: options.message }),
    changes: options.changes,
    config: ownConfig(container.record, parent.configText),
    ...healthcheckIn(container.record.config),
  });
  const changes: LayerBlob = {
    name: diffId,
    label: `the changes of container ${label}`,
    diffId,
    size: spool.range.size,
    range: () => Promise.resolve(spool.range),
  };
  return await load({
    id: digestOf(configText),
    config: parseImageConfig(configText, `the config of the new image of container ${label}`),
    configText,
    tags: [],
    layers: [...parent.layers, ...(isChanged ? [changes] : [])],
  });
}

/** @returns whether the container has changed anything */
async function spoolChanges(
  { id, record }: CommittedContainer,
  paths: Paths,
  spool: Spool,
  signal: AbortSignal,
): Promise<boolean> {
  const folder = join(containerState(paths, id), "diff");
  if (!pathExists(folder)) return false; // it was never started
  const upper = openFolder(folder);
  try {
    await using tar = new TarWriter(spool);
    const warn = (text: string) => log.warn(text);
    const ids = idsOnDisk(paths, record);
    const isChanged = await writeChanges(upper, tar, {
      driver: driverOf(record.config.options),
      warn,
      signal,
      ids,
    });
    await tar.finish();
    return isChanged;
  } finally {
    libcCall("close", upper);
  }
}

/** Characters of a command line that an image's history keeps. */
const MAX_COMMAND = 4096;

/** A container whose changes are read. */
export interface CommittedContainer {
  readonly id: string;
  readonly name: string;
  /** `sha256:...` of its image. */
  readonly image: string;
  /** What it runs, for the new image's history. */
  readonly command: string;
  readonly record: ContainerRecord;
  /** Does work that reads its files, unless they turn out to have become another run's meanwhile. */
  guard<T>(what: string, work: () => Promise<T>): Promise<T>;
}

/** A container that runs. */
export function committedRunning(
  container: RunningContainer,
  record: ContainerRecord,
): CommittedContainer {
  return {
    ...container,
    record,
    command: commandLine(container.process.pid),
    guard: (what, work) => whileAlive(container, what, work),
  };
}

/** A container that does not run. */
export function committedStopped(database: Database, container: ContainerRecord): CommittedContainer {
  const { id, name, image, config } = container;
  return {
    record: container,
    id,
    name,
    image,
    command: config.command.join(" ").slice(0, MAX_COMMAND),
    guard: (what, work) => whileStopped(database, container, what, work),
  };
}

/** Members of docker's config that an image takes over from the container that it is made of. */
const TAKEN_OVER = ["User", "ExposedPorts", "Env", "Cmd", "Volumes", "WorkingDir", "Entrypoint", "Labels"];

/** What of its image's config a container was given other values for. */
function ownConfig(record: ContainerRecord, imageConfig: string): ProcessConfig {
  const { members } = processConfig(record, imageConfig);
  const given = TAKEN_OVER.map((key) => [key, members[key] ?? undefined]);
  const { stopSignal } = record.config.options;
  return { ...Object.fromEntries(given), ...(stopSignal === undefined ? {} : { StopSignal: stopSignal }) };
}

const healthcheckIn = ({ healthcheck }: ContainerConfig) => healthcheck === undefined ? {} : { healthcheck };

/** What a process runs, with blanks between its arguments. */
function commandLine(pid: number): string {
  return (readIfThere(`/proc/${pid}/cmdline`) ?? "").slice(0, MAX_COMMAND).replace(/\0+$/, "").replaceAll(
    "\0",
    " ",
  );
}
