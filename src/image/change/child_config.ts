/** Configs of new images: one made from another by a layer more, and one of a layer alone. */
import { MAX_JSON_SIZE } from "../config.ts";
import { ImageError } from "../../errors.ts";
import { type Healthcheck, mergeHealthcheck } from "../healthcheck.ts";
import { applyChanges } from "./instructions.ts";
import type { ProcessConfig } from "./process_config.ts";
import type { Platform } from "../platform.ts";

/** What is new in an image. */
export interface Revision {
  /** diff id of the new layer; undefined when it has none. */
  readonly diffId: string | undefined;
  /** RFC 3339. */
  readonly created: string;
  readonly createdBy?: string;
  readonly author?: string;
  readonly comment?: string;
  /** Instructions of a Dockerfile. */
  readonly changes: readonly string[];
  /** Members of the config that the container has its own of; undefined for those that the image has and it has not. */
  readonly config?: ProcessConfig;
  /** The container's, which may be another than its image's. What a change leaves out of its own is taken from it, as in docker. */
  readonly healthcheck?: Healthcheck;
}

type Members = Readonly<Record<string, unknown>>;

/** Members that speak of the container that the parent was made in. */
const OF_THE_PARENT = ["author", "container", "container_config"];

/**
 * The config of an image that a container's changes make of its parent. All that is not about the change stays as it is in the
 * parent's JSON, whatever it is.
 * @param parent its config, which dhow has accepted
 * @throws {UsageError} for a wrong instruction
 */
export function childConfig(parent: string, revision: Revision): string {
  const document = JSON.parse(parent) as Members;
  const kept = Object.entries(document).filter(([key]) => !OF_THE_PARENT.includes(key));
  const { rootfs, history, config } = document as {
    rootfs: { diff_ids: readonly string[] };
    history?: unknown;
    config?: ProcessConfig | null;
  };
  const diffIds = revision.diffId === undefined ? rootfs.diff_ids : [...rootfs.diff_ids, revision.diffId];
  return serialized({
    ...Object.fromEntries(kept),
    ...(revision.author === undefined ? {} : { author: revision.author }),
    created: revision.created,
    config: changedConfig({ ...config, ...revision.config }, revision),
    rootfs: { ...rootfs, diff_ids: diffIds },
    history: [...(Array.isArray(history) ? history : []), historyOf(revision)],
  });
}

function changedConfig(config: ProcessConfig, { changes, healthcheck }: Revision): ProcessConfig {
  if (healthcheck === undefined) return applyChanges(config, changes);
  const changed = applyChanges({ ...config, Healthcheck: healthcheck }, changes);
  return { ...changed, Healthcheck: mergeHealthcheck(changed["Healthcheck"] as Healthcheck, healthcheck) };
}

/**
 * The config of an image of one layer.
 * @throws {UsageError} for a wrong instruction
 */
export function layerConfig(platform: Platform, revision: Revision & { readonly diffId: string }): string {
  return serialized({
    ...platform,
    created: revision.created,
    config: applyChanges({}, revision.changes),
    rootfs: { type: "layers", diff_ids: [revision.diffId] },
    history: [historyOf(revision)],
  });
}

function historyOf({ diffId, created, createdBy, author, comment }: Revision): Members {
  return {
    created,
    ...(createdBy === undefined ? {} : { created_by: createdBy }),
    ...(author === undefined ? {} : { author }),
    ...(comment === undefined ? {} : { comment }),
    ...(diffId === undefined ? { empty_layer: true } : {}),
  };
}

function serialized(document: Members): string {
  const refuse = (why: string, cause?: unknown): never => {
    throw new ImageError({ what: "cannot make the image's config", why, cause });
  };
  let text: string;
  try {
    text = JSON.stringify(document);
  } catch (cause) {
    // V8 reads JSON of any depth, but writes only what its stack has room for
    if (!(cause instanceof RangeError)) throw cause;
    return refuse("lists and objects are nested too deep in the parent's", cause);
  }
  if (text.length <= MAX_JSON_SIZE) return text;
  return refuse(`it would have ${text.length} characters, more than ${MAX_JSON_SIZE}`);
}
