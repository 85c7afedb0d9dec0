/** The small things that a registry holds: manifests, configs, lists of tags. */
import { ImageError } from "../../errors.ts";
import { DIGEST, MAX_JSON_SIZE } from "../config.ts";
import { digestOf } from "../digest_of.ts";
import type { Repository } from "../reference.ts";
import type { Descriptor } from "../source/manifest.ts";
import type { Manifest } from "../source/source.ts";
import { ACCEPTED, decode, receiveManifest } from "./manifest.ts";
import { pullScope, type Registry } from "./registry.ts";
import type { Exchange } from "./transport.ts";

/** What is asked of a registry, and how errors name it. */
export interface Inquiry {
  readonly registry: Registry;
  readonly path: Repository["path"];
  /** `cannot pull "busybox:latest"` */
  readonly what: string;
  readonly signal: AbortSignal;
}

/**
 * Fetches a manifest or an index.
 * @param reference a tag, or a digest, which it then must have
 * @throws {DhowError} when there is none, or it is not what it should be
 */
export async function fetchManifest(inquiry: Inquiry, reference: string): Promise<Manifest> {
  const { bytes, response } = await get(inquiry, `manifests/${reference}`, { accept: ACCEPTED });
  const promised = DIGEST.test(reference) ? reference : response.headers.get("docker-content-digest");
  // digests of other kinds than sha256 are the registry's own affair
  if (promised !== null && DIGEST.test(promised) && digestOf(bytes) !== promised) {
    throw new ImageError({
      what: inquiry.what,
      why: `the registry sends a manifest of digest ${digestOf(bytes)} for ${promised}`,
      hint: "do not trust it before that is explained",
    });
  }
  return receiveManifest(
    bytes,
    response.headers.get("content-type"),
    `the manifest ${JSON.stringify(reference)}`,
  );
}

/** Fetches a config, byte for byte. @throws {DhowError} when there is none, or it is not what its descriptor says */
export async function fetchConfig(inquiry: Inquiry, { digest, size }: Descriptor): Promise<string> {
  const refuse = (why: string): never => {
    throw new ImageError({ what: inquiry.what, why });
  };
  if (size > MAX_JSON_SIZE) refuse(`its config has ${size} bytes, more than ${MAX_JSON_SIZE}`);
  const { bytes } = await get(inquiry, `blobs/${digest}`);
  if (bytes.length !== size || digestOf(bytes) !== digest) {
    refuse(`the registry sends ${bytes.length} bytes of digest ${digestOf(bytes)} for the config ${digest}`);
  }
  return decode(bytes, "the image's config");
}

/** Tags of one repository; beyond that nobody wants all of them. */
const MAX_TAGS = 10_000;
const TAG = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/;

/** All tags of a repository, sorted. @throws {DhowError} when there is no such repository */
export async function listTags(inquiry: Inquiry): Promise<string[]> {
  const { transport } = inquiry.registry;
  const tags = new Set<string>();
  let page: string | undefined = "tags/list";
  while (page !== undefined && tags.size <= MAX_TAGS) {
    const before = tags.size;
    const { bytes, response, url } = await get(inquiry, page);
    for (const tag of readTags(bytes, inquiry.what)) tags.add(tag);
    const next = /<([^>]*)>\s*;\s*rel="?next"?/.exec(response.headers.get("link") ?? "")?.[1];
    // a page that brings nothing new is the last, whatever it says
    const following = next === undefined || tags.size === before
      ? undefined
      : transport.follow(inquiry.what, next, url);
    const own = inquiry.registry.url(`${inquiry.path}/`).href;
    page = following?.href.startsWith(own) ? following.href.slice(own.length) : undefined;
  }
  return [...tags].slice(0, MAX_TAGS).sort();
}

function readTags(bytes: Uint8Array, what: string): string[] {
  try {
    const { tags } = JSON.parse(decode(bytes, "the list of tags")) as { tags?: unknown };
    if (tags === undefined || tags === null) return [];
    if (Array.isArray(tags) && tags.every((tag) => typeof tag === "string" && TAG.test(tag))) return tags;
  } catch (cause) {
    throw new ImageError({ what, why: "the registry's list of tags cannot be read", cause });
  }
  throw new ImageError({ what, why: "the registry's list of tags holds what is no tag" });
}

/** One document of a repository, whole. */
function get(
  { registry, path, what, signal }: Inquiry,
  document: string,
  headers: Record<string, string> = {},
): Promise<{ bytes: Uint8Array; response: Response; url: URL }> {
  return registry.attempt(what, signal, async (guard) => {
    const exchange: Exchange = {
      what,
      method: "GET",
      url: registry.url(`${path}/${document}`),
      headers,
      guard,
    };
    const response = await registry.request(exchange, [pullScope(path)], [200]);
    return {
      bytes: await registry.transport.read(exchange, response, MAX_JSON_SIZE),
      response,
      url: exchange.url,
    };
  });
}
