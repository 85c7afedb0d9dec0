import { ImageError } from "../errors.ts";
import { type Healthcheck, readHealthcheck } from "./healthcheck.ts";
import { formatPlatform, thisPlatform } from "./platform.ts";

/** What dhow uses of an image's config (OCI image-spec, config.md; docker's is the same where it matters). */
export interface ImageConfig {
  readonly architecture: string;
  readonly variant?: string;
  readonly os: string;
  /** RFC 3339, as the image has it. */
  readonly created?: string;
  /** `NAME=value`, in order. */
  readonly env: readonly string[];
  readonly entrypoint: readonly string[];
  readonly cmd: readonly string[];
  /** Empty when the image has none: then it is `/`. */
  readonly workingDir: string;
  /** `user`, `user:group`, names or numbers; empty for root. */
  readonly user: string;
  /** `80/tcp`, ... */
  readonly exposedPorts: readonly string[];
  readonly stopSignal?: string;
  /** Paths of the container that are volumes (`VOLUME`), as written. */
  readonly volumes?: readonly string[];
  readonly healthcheck?: Healthcheck;
  /** What runs commands that are one text (`SHELL`); absent for the usual one. */
  readonly shell?: readonly string[];
  /** sha256 of each layer's uncompressed tar, lowest layer first. */
  readonly diffIds: readonly string[];
}

/** Configs and manifests larger than this are refused, as containers/image does. */
export const MAX_JSON_SIZE = 4 << 20;

/** Layers of one image. Overlay itself stops at 500 (OVL_MAX_STACK), docker at 127. */
const MAX_LAYERS = 500;

/** What a sha256 digest looks like in OCI's notation (image-spec, descriptor.md). */
export const DIGEST = /^sha256:[0-9a-f]{64}$/;

/**
 * Reads one member of a parsed JSON document at a time and refuses what is not of the type it should be. `null` counts as absent:
 * docker writes `"Cmd": null`.
 */
export class Members {
  readonly #object: Record<string, unknown>;

  constructor(value: unknown, readonly where: string, readonly subject: string) {
    if (typeof value !== "object" || value === null || Array.isArray(value)) this.#refuse(where, "an object");
    this.#object = value as Record<string, unknown>;
  }

  #refuse(where: string, expected: string): never {
    throw new ImageError({ what: `cannot use ${this.subject}`, why: `${where} is not ${expected}` });
  }

  #at(key: string): { value: unknown; where: string } {
    // own members only: "constructor" and the like are no part of the document
    const value = Object.hasOwn(this.#object, key) ? this.#object[key] : undefined;
    return { value: value ?? undefined, where: this.where === "it" ? key : `${this.where}.${key}` };
  }

  text(key: string): string | undefined {
    const { value, where } = this.#at(key);
    if (value === undefined) return undefined;
    if (typeof value !== "string") this.#refuse(where, "a string");
    // every one of these ends up in a C string sooner or later
    if (value.includes("\0")) this.#refuse(where, "free of NUL characters");
    return value;
  }

  texts(key: string): string[] {
    const { value, where } = this.#at(key);
    if (value === undefined) return [];
    if (!Array.isArray(value) || !value.every((item) => typeof item === "string" && !item.includes("\0"))) {
      this.#refuse(where, "a list of strings without NUL characters");
    }
    return value;
  }

  /** @throws {ImageError} also when it is missing */
  count(key: string): number {
    const { value, where } = this.#at(key);
    if (!Number.isSafeInteger(value) || (value as number) < 0) this.#refuse(where, "a number of bytes");
    return value as number;
  }

  /** A whole number that an int64 holds. @throws {ImageError} also when it is missing */
  integer(key: string): number {
    const { value, where } = this.#at(key);
    if (!Number.isInteger(value) || Math.abs(value as number) >= 2 ** 63) {
      this.#refuse(where, "a whole number");
    }
    return value as number;
  }

  /** The texts of an object whose members have any names. */
  table(key: string): ReadonlyMap<string, string> {
    const members = this.members(key);
    return new Map(Object.keys(members.#object).map((name) => [name, members.text(name) ?? ""]));
  }

  /** The objects of a list. */
  list(key: string): Members[] {
    const { value, where } = this.#at(key);
    if (value === undefined) return [];
    if (!Array.isArray(value)) this.#refuse(where, "a list");
    return value.map((item, index) => new Members(item, `${where}[${index}]`, this.subject));
  }

  has(key: string): boolean {
    return this.#at(key).value !== undefined;
  }

  keys(key: string): string[] {
    const { value } = this.#at(key);
    return value === undefined ? [] : Object.keys(this.members(key).#object);
  }

  members(key: string): Members {
    const { value, where } = this.#at(key);
    return new Members(value ?? {}, where, this.subject);
  }
}

/** @throws {ImageError} when the text is no JSON object */
export function parseMembers(text: string, subject: string): Members {
  try {
    return new Members(JSON.parse(text), "it", subject);
  } catch (cause) {
    if (cause instanceof ImageError) throw cause;
    throw new ImageError({ what: `cannot use ${subject}`, why: "it is not JSON", cause });
  }
}

/**
 * @param text the config, as found in an archive or a store
 * @param subject how errors name it: `the config of image "busybox"`
 * @throws {ImageError} when it is no JSON, or something that dhow uses is missing or of the wrong type
 */
export function parseImageConfig(text: string, subject: string): ImageConfig {
  const refuse = (why: string): never => {
    throw new ImageError({ what: `cannot use ${subject}`, why });
  };
  const config = parseMembers(text, subject);
  const os = config.text("os") ?? refuse("os is missing");
  if (os !== "linux") refuse(`it is for ${JSON.stringify(os)}, not for linux`);
  const architecture = config.text("architecture") || refuse("architecture is missing");
  const rootfs = config.members("rootfs");
  const diffIds = rootfs.texts("diff_ids");
  if ((rootfs.text("type") ?? "layers") !== "layers") refuse("rootfs.type is not layers");
  if (diffIds.length === 0) refuse("rootfs.diff_ids is missing or empty");
  if (diffIds.length > MAX_LAYERS) {
    refuse(`it has ${diffIds.length} layers, more than the ${MAX_LAYERS} that Linux can stack`);
  }
  for (const id of diffIds) {
    if (!DIGEST.test(id)) {
      refuse(`rootfs.diff_ids holds ${JSON.stringify(id.slice(0, 100))}, which is no sha256 digest`);
    }
  }
  const process = config.members("config");
  const variant = config.text("variant");
  const created = config.text("created");
  const stopSignal = process.text("StopSignal");
  const healthcheck = readHealthcheck(process);
  const shell = process.texts("Shell");
  return {
    architecture,
    ...(variant ? { variant } : {}),
    os,
    ...(created ? { created } : {}),
    env: process.texts("Env"),
    entrypoint: process.texts("Entrypoint"),
    cmd: process.texts("Cmd"),
    workingDir: process.text("WorkingDir") ?? "",
    user: process.text("User") ?? "",
    exposedPorts: process.keys("ExposedPorts"),
    ...(stopSignal ? { stopSignal } : {}),
    ...(process.has("Volumes") ? { volumes: process.keys("Volumes") } : {}),
    ...(healthcheck === undefined ? {} : { healthcheck }),
    ...(shell.length === 0 ? {} : { shell }),
    diffIds,
  };
}

/**
 * Checks that an image's programs can run on this machine's CPU.
 * @param name how errors name the image
 * @throws {ImageError} when they are for another one
 */
export function assertRunnableHere(config: ImageConfig, name: string): void {
  const here = thisPlatform();
  if (config.architecture === here.architecture) return;
  throw new ImageError({
    what: `cannot run image ${JSON.stringify(name)}`,
    why: `it is for ${formatPlatform(config)}, this machine is ${formatPlatform(here)}`,
    hint: `get it for this machine, with: dhow pull --platform ${formatPlatform(here)}; ` +
      `where the kernel can run it all the same: dhow run --platform ${formatPlatform(config)}`,
  });
}
