import { createHash } from "node:crypto";
import { FakeClock } from "../../../support/clock.ts";
import type { Credentials } from "../../../../src/image/registry/credentials.ts";
import type { Inquiry } from "../../../../src/image/registry/documents.ts";
import { Registry } from "../../../../src/image/registry/registry.ts";

export const DOMAIN = "registry.example";
export const BASE = `https://${DOMAIN}`;

export interface Asked {
  readonly method: string;
  readonly url: URL;
  readonly headers: Headers;
  /** The text of a request's body, if it is one. */
  readonly body: string | undefined;
  readonly signal: AbortSignal | undefined;
}

/** What a server says to a request; undefined is 404. */
export type Answer = (asked: Asked) => Response | undefined | Promise<Response | undefined>;

/** Registries, token services and storage that exist in the test only, and all that was asked of them. */
export class FakeNetwork {
  readonly asked: Asked[] = [];
  readonly clock = new FakeClock();
  readonly controller = new AbortController();
  credentials: Credentials | undefined;

  constructor(readonly answer: Answer) {}

  readonly fetch = async (url: URL, init: RequestInit): Promise<Response> => {
    const asked: Asked = {
      method: init.method!,
      url: new URL(url),
      headers: new Headers(init.headers),
      body: typeof init.body === "string" ? init.body : undefined,
      signal: init.signal ?? undefined,
    };
    this.asked.push(asked);
    return await this.answer(asked) ?? new Response(null, { status: 404 });
  };

  connect(options: { isInsecure?: boolean; isLogin?: boolean; domain?: string } = {}): Promise<Registry> {
    const registry = {
      domain: DOMAIN,
      isInsecure: false,
      credentials: () => Promise.resolve(this.credentials),
      clock: this.clock,
      random: () => 1,
      fetch: this.fetch,
      ...options,
    };
    return Registry.connect(registry, "cannot test", this.controller.signal);
  }

  async inquiry(path = "team/app"): Promise<Inquiry> {
    return { registry: await this.connect(), path, what: "cannot test", signal: this.controller.signal };
  }

  /** What was asked, in short: `GET /v2/`. */
  get log(): string[] {
    return this.asked.map(({ method, url }) => `${method} ${url.pathname}`);
  }
}

/** A registry that wants no login. @param answers by path below /v2/ */
export function openRegistry(answers: Readonly<Record<string, Answer>>): FakeNetwork {
  return new FakeNetwork((asked) => {
    const path = asked.url.pathname.slice("/v2/".length);
    return path === "" ? new Response("{}") : answers[path]?.(asked);
  });
}

export function digestOf(content: string | Uint8Array): string {
  return `sha256:${createHash("sha256").update(content).digest("hex")}`;
}

/** An answer that breaks off after its text. */
export function broken(bytes: Uint8Array, init?: ResponseInit): Response {
  const body = new ReadableStream<Uint8Array>({
    start: (controller) => controller.enqueue(bytes),
    pull: (controller) => controller.error(new TypeError("connection reset")),
  }, { highWaterMark: 0 });
  return new Response(body, init);
}
