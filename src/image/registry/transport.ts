/** One HTTP exchange: redirections, broken connections and silence are dealt with here; what the answer means is not. */
import type { Clock } from "../../clock.ts";
import { ImageError } from "../../errors.ts";
import { readBody } from "./answer.ts";
import { connectionFailure } from "./connection_failure.ts";
import { mayLeadTo } from "./endpoint.ts";
import { StallGuard } from "./stall.ts";

/** The part of fetch() that is used. */
export type Fetch = (url: URL, init: RequestInit & { client?: Deno.HttpClient }) => Promise<Response>;

export interface Exchange {
  /** How errors name it: `cannot pull "busybox:latest"`. */
  readonly what: string;
  readonly method: "GET" | "HEAD" | "POST" | "PATCH" | "PUT";
  readonly url: URL;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | ReadableStream<Uint8Array>;
  readonly guard: StallGuard;
}

export interface TransportOptions {
  /** The registry's own address: only there go credentials. */
  readonly base: URL;
  readonly isInsecure: boolean;
  readonly clock: Clock;
  readonly fetch: Fetch;
  readonly client?: Deno.HttpClient;
}

/** How often an answer may send this client elsewhere. */
const MAX_REDIRECTS = 5;

/** How long a server may be silent, in ms. */
const PATIENCE = 60_000;

export class Transport {
  constructor(readonly options: TransportOptions) {}

  /**
   * @param what how the error names what stalls
   * @param patience in ms, where it is not the usual
   */
  guard(what: string, signal: AbortSignal, patience = PATIENCE): StallGuard {
    return new StallGuard(what, this.options.clock, patience, signal);
  }

  /**
   * Sends a request and returns the answer's head; the body is still to come. Redirections are followed for GET and HEAD; what
   * is secret is sent to the first address only.
   * @param authorization the header of that name
   * @throws {TransientError} when the connection fails
   * @throws {ImageError} when the answer leads to an address where this client does not go
   */
  async send(exchange: Exchange, authorization?: string): Promise<Response> {
    let { url } = exchange;
    for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects++) {
      const response = await this.#fetch(
        exchange,
        url,
        url.origin === exchange.url.origin ? authorization : undefined,
      );
      if (response.status === 401 && url.origin !== exchange.url.origin) {
        // a stranger's challenge is not answered with what belongs to the registry (CVE-2020-15157)
        await response.body?.cancel();
        this.refuse(exchange.what, `${url.host}, to which the registry leads, wants a login`);
      }
      const location = response.headers.get("location");
      if (!REDIRECTIONS.has(response.status) || location === null) return response;
      await response.body?.cancel();
      if (exchange.method !== "GET" && exchange.method !== "HEAD") {
        this.refuse(exchange.what, `the registry redirects a ${exchange.method} request`);
      }
      url = this.follow(exchange.what, location, url);
    }
    this.refuse(exchange.what, `the registry redirects more than ${MAX_REDIRECTS} times`);
  }

  /**
   * Reads an answer's body.
   * @param limit in bytes
   * @throws {ImageError} when it is larger
   * @throws {TransientError} when the connection fails
   */
  async read({ what, url, guard }: Exchange, response: Response, limit: number): Promise<Uint8Array> {
    try {
      const body = await readBody(response, limit, guard);
      return body ?? this.refuse(what, `the registry answers with more than ${limit} bytes`);
    } catch (error) {
      throw this.explain(what, url, error, guard);
    }
  }

  /** Where a server's header or token service leads. @param from what a relative address starts from */
  follow(what: string, location: string, from: URL): URL {
    const to = URL.parse(location, from);
    if (to === null) this.refuse(what, "the registry redirects to what is no address");
    if (!mayLeadTo(this.options.base, to, this.options.isInsecure)) {
      const hint = "only --insecure allows that";
      this.refuse(what, `the registry leads to ${to.origin}, which is not encrypted`, hint);
    }
    // user:password@ of an address would become a header of the registry's choice
    to.username = to.password = to.hash = "";
    return to;
  }

  async #fetch(
    { what, method, headers, body, guard }: Exchange,
    url: URL,
    authorization?: string,
  ): Promise<Response> {
    const { fetch, client } = this.options;
    guard.touch();
    try {
      const response = await fetch(url, {
        method,
        headers: {
          // what has a digest must come as it is
          "accept-encoding": "identity",
          ...headers,
          ...(authorization === undefined ? {} : { authorization }),
        },
        ...(body === undefined ? {} : { body }),
        redirect: "manual",
        signal: guard.signal,
        ...(client === undefined ? {} : { client }),
      });
      guard.touch();
      return response;
    } catch (error) {
      throw this.explain(what, url, error, guard);
    }
  }

  /** What a failed fetch, or a body that broke off, is to the caller. */
  explain(what: string, url: URL, error: unknown, guard: StallGuard): unknown {
    if (guard.signal.aborted) return guard.signal.reason;
    if (!(error instanceof TypeError || error instanceof Deno.errors.Http || isInputOutput(error))) {
      return error;
    }
    return connectionFailure({ what, host: url.host, registry: this.options.base.host }, error as Error);
  }

  /** @throws {ImageError} always */
  refuse(what: string, why: string, hint?: string): never {
    throw new ImageError({ what, why, ...(hint === undefined ? {} : { hint }) });
  }
}

const REDIRECTIONS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

function isInputOutput(error: unknown): boolean {
  return error instanceof Deno.errors.ConnectionReset || error instanceof Deno.errors.UnexpectedEof ||
    error instanceof Deno.errors.BrokenPipe || error instanceof Deno.errors.ConnectionAborted;
}
