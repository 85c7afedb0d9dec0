/** Names of images, by the rules of docker (github.com/distribution/reference: regexp.go, normalize.go). */
import { ImageError } from "../errors.ts";
import { DIGEST } from "./config.ts";

/** Where an image lies, on any machine. */
export interface Repository {
  /** The registry: `docker.io`, `localhost:5000`, `[::1]:5000`. */
  readonly domain: string;
  /** The repository in that registry: `library/busybox`. */
  readonly path: string;
  /** Both, as short as docker prints them: `busybox`, `localhost:5000/app`. */
  readonly repository: string;
}

/** A name that the store can give to an image: repository and tag. */
export interface Reference extends Repository {
  readonly tag: string;
}

/** What a user may call an image of a registry. There is a tag or a digest, or both; then the digest decides. */
export interface ImageName extends Repository {
  readonly tag?: string;
  /** `sha256:...` of its manifest. */
  readonly digest?: string;
}

const DOMAIN_PART = "(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])";
const DOMAIN = new RegExp(`^(?:${DOMAIN_PART}(?:\\.${DOMAIN_PART})*|\\[[a-fA-F0-9:]+\\])(?::[0-9]+)?$`);
const PATH_PART = "[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*";
const PATH = new RegExp(`^${PATH_PART}(?:/${PATH_PART})*$`);
const TAG = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/;

/** What every name has to keep clear of: an image's id. */
const ID = /^[0-9a-f]{64}$/;

/** So that `sha256:...` is always an id (moby, reference/store.go: "refusing to create an ambiguous tag"). */
const DIGEST_ALGORITHM = "sha256";

/** distribution/reference: NameTotalLengthMax. */
const MAX_REPOSITORY_LENGTH = 255;

/** Longer than any name with tag and digest; nothing longer gets to a pattern. */
const MAX_LENGTH = 1024;

/** The registry of names that say none. */
export const DEFAULT_DOMAIN = "docker.io";
const OLD_DEFAULT_DOMAIN = "index.docker.io";
/** Where docker.io has the names that consist of one part. */
const OFFICIAL = "library/";
const DEFAULT_TAG = "latest";

/**
 * Reads `name` or `name:tag`; without a tag it is `latest`.
 * @throws {ImageError} when it is not a valid reference, or has a digest
 */
export function parseReference(text: string): Reference {
  const { tag, digest, ...repository } = parseImageName(text);
  if (digest !== undefined || tag === undefined) {
    refuse(text, "it has a digest, where only a tag is possible");
  }
  return { ...repository, tag };
}

/** `name:tag`, as the store's tags have it. */
export function formatReference({ repository, tag }: Pick<Reference, "repository" | "tag">): string {
  return `${repository}:${tag}`;
}

/**
 * Reads `name`, `name:tag`, `name@digest` or `name:tag@digest`; with neither, the tag is `latest`.
 * @throws {ImageError} when it is not a valid reference
 */
export function parseImageName(text: string): ImageName {
  if (text.length > MAX_LENGTH) refuse(text, NO_REFERENCE);
  const [tagged, digest, ...others] = text.split("@") as [string, ...string[]];
  if (others.length > 0) refuse(text, NO_REFERENCE);
  if (digest !== undefined && !DIGEST.test(digest)) {
    refuse(text, `${NO_REFERENCE}: what follows the @ is no sha256 digest`);
  }
  // a colon before the last slash belongs to a port
  const colon = tagged.indexOf(":", tagged.lastIndexOf("/") + 1);
  const repository = parseRepository(colon === -1 ? tagged : tagged.slice(0, colon), text);
  const tag = colon === -1 ? undefined : tagged.slice(colon + 1);
  if (tag !== undefined && !TAG.test(tag)) refuse(text, NO_REFERENCE);
  if (digest !== undefined) return { ...repository, ...(tag === undefined ? {} : { tag }), digest };
  return { ...repository, tag: tag ?? DEFAULT_TAG };
}

/** The same; undefined for what is no name: an id, for one. */
export function readImageName(text: string): ImageName | undefined {
  try {
    return parseImageName(text);
  } catch (error) {
    if (error instanceof ImageError) return undefined;
    throw error;
  }
}

/** Whether that can be a registry in an image's name. */
export function isDomain(text: string): boolean {
  return text.length <= MAX_REPOSITORY_LENGTH && DOMAIN.test(text);
}

/** Whether a name leaves the tag to docker's default. */
export function saysNoTag(text: string): boolean {
  return !text.includes("@") && !text.includes(":", text.lastIndexOf("/") + 1);
}

/** As short as docker prints it: `busybox:latest`, `busybox@sha256:...`. A digest hides the tag. */
export function formatImageName({ repository, tag, digest }: ImageName): string {
  return digest === undefined ? `${repository}:${tag}` : `${repository}@${digest}`;
}

/** With all that the short form leaves out: `docker.io/library/busybox:latest`. */
export function formatFullName({ domain, path, tag, digest }: ImageName): string {
  const name = `${domain}/${path}`;
  return digest === undefined ? `${name}:${tag}` : `${name}@${digest}`;
}

const NO_REFERENCE = "it is not a valid reference (name[:tag])";

function parseRepository(name: string, text: string): Repository {
  const { domain, rest } = splitDomain(name);
  const path = domain === DEFAULT_DOMAIN && !rest.includes("/") ? OFFICIAL + rest : rest;
  if (ID.test(name)) refuse(text, "64 hexadecimal digits are an image's id, not a name");
  if (familiar(domain, path) === DIGEST_ALGORITHM) {
    refuse(text, `what begins with ${DIGEST_ALGORITHM}: is an image's id, not a name`);
  }
  if (!PATH.test(path) || !DOMAIN.test(domain)) {
    if (PATH.test(path.toLowerCase()) && DOMAIN.test(domain)) {
      refuse(text, NO_REFERENCE, "the name must be lowercase");
    }
    refuse(text, NO_REFERENCE);
  }
  if (domain.length + 1 + path.length > MAX_REPOSITORY_LENGTH) refuse(text, NO_REFERENCE);
  return { domain, path, repository: familiar(domain, path) };
}

/** The first part is a registry when it looks like a host: with a dot, a port, a capital, or `localhost`. */
function splitDomain(name: string): { domain: string; rest: string } {
  const slash = name.indexOf("/");
  const first = name.slice(0, Math.max(slash, 0));
  const isHost = /[.:]/.test(first) || first === "localhost" || first.toLowerCase() !== first;
  if (!isHost) return { domain: DEFAULT_DOMAIN, rest: name };
  return { domain: first === OLD_DEFAULT_DOMAIN ? DEFAULT_DOMAIN : first, rest: name.slice(slash + 1) };
}

function familiar(domain: string, path: string): string {
  if (domain !== DEFAULT_DOMAIN) return `${domain}/${path}`;
  const name = path.startsWith(OFFICIAL) ? path.slice(OFFICIAL.length) : path;
  const short = name.includes("/") ? path : name;
  // docker.io/localhost/app is not localhost/app: what is printed must mean the same when it is read again
  return splitDomain(short).rest === short ? short : `${domain}/${path}`;
}

function refuse(text: string, why: string, hint?: string): never {
  throw new ImageError({
    what: `cannot use ${JSON.stringify(text.slice(0, 300))} as an image's name`,
    why,
    ...(hint === undefined ? {} : { hint }),
  });
}
