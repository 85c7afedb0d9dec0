/** Blobs and manifests on their way into a repository (distribution-spec 1.1, "Push"). */
import { ImageError } from "../../errors.ts";
import { DIGEST } from "../config.ts";
import { digestOf } from "../digest_of.ts";
import type { LayerProgress } from "../progress.ts";
import type { Inquiry } from "./documents.ts";
import { pullScope, pushScope } from "./registry.ts";
import type { StallGuard } from "./stall.ts";
import type { Exchange } from "./transport.ts";

/** A blob that is to be uploaded. */
export interface BlobToPush {
  readonly digest: string;
  /** In bytes. */
  readonly size: number;
  /** Its bytes, from the first, each time it is called. */
  readonly open: () => ReadableStream<Uint8Array>;
  /** Advances by bytes of the blob. */
  readonly progress: LayerProgress;
}

/** How long a registry may think about a blob that it has received whole: it hashes and stores it. In ms. */
const PATIENCE_AFTER_UPLOAD = 300_000;

/** Whether the repository has a blob. */
export function hasBlob(target: Inquiry, digest: string): Promise<boolean> {
  const { registry, path, what, signal } = target;
  return registry.attempt(what, signal, async (guard) => {
    const exchange: Exchange = { what, method: "HEAD", url: registry.url(`${path}/blobs/${digest}`), guard };
    const { status, body } = await registry.request(exchange, [pushScope(path)], [200, 404]);
    await body?.cancel();
    return status === 200;
  });
}

/**
 * Takes a blob from another repository of the same registry, if the registry and the login allow it.
 * @returns whether it is there now
 */
export function mountBlob(target: Inquiry, digest: string, from: string): Promise<boolean> {
  const { registry, path, what, signal } = target;
  return registry.attempt(what, signal, async (guard) => {
    const url = registry.url(`${path}/blobs/uploads/`);
    url.searchParams.set("mount", digest);
    url.searchParams.set("from", from);
    const exchange: Exchange = { what, method: "POST", url, guard };
    // 202: it began an upload instead, which nobody goes on with
    const { status, body } = await registry.request(
      exchange,
      [pushScope(path), pullScope(from)],
      [201, 202, 401, 403, 404, 405],
    );
    await body?.cancel();
    return status === 201;
  });
}

/**
 * Uploads a blob, from its first byte again after a break.
 * @throws {DhowError} when the registry does not take it
 */
export function uploadBlob(target: Inquiry, blob: BlobToPush): Promise<void> {
  const { registry, what, signal } = target;
  return registry.attempt(what, signal, async (guard) => {
    let sent = 0;
    const count = (bytes: number) => {
      sent += bytes;
      blob.progress.advance(bytes);
    };
    try {
      const session = await begin(target, guard);
      await finish(target, await sendAll(target, session, blob, count, guard), blob.digest);
    } catch (error) {
      blob.progress.advance(-sent);
      throw error;
    }
  });
}

async function begin({ registry, path, what }: Inquiry, guard: StallGuard): Promise<URL> {
  const exchange: Exchange = { what, method: "POST", url: registry.url(`${path}/blobs/uploads/`), guard };
  return await next(exchange, registry, path, 202);
}

/** All bytes as one stream, as docker sends them: every registry takes that, and needs no length before. */
async function sendAll(
  { registry, path, what }: Inquiry,
  url: URL,
  { open }: BlobToPush,
  count: (bytes: number) => void,
  guard: StallGuard,
): Promise<URL> {
  const counting = new TransformStream<Uint8Array, Uint8Array>({
    transform(chunk, controller) {
      guard.touch();
      count(chunk.length);
      controller.enqueue(chunk);
    },
  });
  const headers = { "content-type": "application/octet-stream" };
  const exchange: Exchange = {
    what,
    method: "PATCH",
    url,
    headers,
    body: open().pipeThrough(counting),
    guard,
  };
  return await next(exchange, registry, path, 202);
}

/** Tells the registry that this was all, and what it must be. */
async function finish({ registry, path, what, signal }: Inquiry, url: URL, digest: string): Promise<void> {
  using guard = registry.transport.guard(what, signal, PATIENCE_AFTER_UPLOAD);
  url.searchParams.set("digest", digest);
  const { body } = await registry.request({ what, method: "PUT", url, guard }, [pushScope(path)], [201]);
  await body?.cancel();
}

/** Makes a step of an upload; the answer says where the next one goes. */
async function next(
  exchange: Exchange,
  registry: Inquiry["registry"],
  path: string,
  status: number,
): Promise<URL> {
  const response = await registry.request(exchange, [pushScope(path)], [status]);
  await response.body?.cancel();
  const location = response.headers.get("location");
  if (location === null) {
    registry.transport.refuse(exchange.what, "the registry does not say where to upload to");
  }
  return registry.transport.follow(exchange.what, location, exchange.url);
}

/**
 * Uploads a manifest, whose blobs must be there.
 * @param tag by which it is then found
 * @returns its digest
 */
export function uploadManifest(
  target: Inquiry,
  tag: string,
  { mediaType, text }: { readonly mediaType: string; readonly text: string },
): Promise<string> {
  const { registry, path, what, signal } = target;
  return registry.attempt(what, signal, async (guard) => {
    const exchange: Exchange = {
      what,
      method: "PUT",
      url: registry.url(`${path}/manifests/${tag}`),
      headers: { "content-type": mediaType },
      body: text,
      guard,
    };
    const response = await registry.request(exchange, [pushScope(path)], [201]);
    await response.body?.cancel();
    const digest = digestOf(text);
    const said = response.headers.get("docker-content-digest") ?? digest;
    if (DIGEST.test(said) && said !== digest) {
      throw new ImageError({
        what,
        why: `the registry has taken a manifest of digest ${said} for ${digest}`,
      });
    }
    return digest;
  });
}
