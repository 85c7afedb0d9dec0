/** A registry that answers (OCI distribution-spec 1.1): who asks for what, with which rights, and again when it fails. */
import type { Clock } from "../../clock.ts";
import { type DhowError, ImageError } from "../../errors.ts";
import { failureOf } from "./answer.ts";
import { Authorizer, type Scope } from "./auth.ts";
import type { Credentials } from "./credentials.ts";
import { endpoints } from "./endpoint.ts";
import { type RetryContext, TransientError, withRetries } from "./retry.ts";
import type { StallGuard } from "./stall.ts";
import { type Exchange, type Fetch, Transport } from "./transport.ts";

export interface RegistryOptions {
  /** As in an image's name: `docker.io`, `localhost:5000`. */
  readonly domain: string;
  /** `--insecure`: without encryption if there is none. */
  readonly isInsecure: boolean;
  /** Asked only when the registry wants to know. */
  readonly credentials: () => Promise<Credentials | undefined>;
  /** Whether an identity token is asked for, to be kept in place of the password. */
  readonly isLogin?: boolean;
  readonly clock: Clock;
  readonly random: () => number;
  readonly fetch: Fetch;
  /** Trusts what is to be trusted. */
  readonly client?: Deno.HttpClient;
}

export class Registry {
  readonly auth: Authorizer;

  private constructor(readonly options: RegistryOptions, readonly transport: Transport) {
    this.auth = new Authorizer({ ...options, transport });
  }

  /**
   * Finds out where and how a registry is reached.
   * @param what how errors name the work: `cannot pull "busybox:latest"`
   * @throws {DhowError} when nothing that is a registry answers
   */
  static connect(options: RegistryOptions, what: string, signal: AbortSignal): Promise<Registry> {
    const { domain, isInsecure, clock, random } = options;
    return withRetries(async () => {
      let failure: DhowError | undefined;
      for (const base of endpoints(domain, isInsecure, what)) {
        const registry = new Registry(options, new Transport({ ...options, base }));
        try {
          await registry.#ping(what, signal);
          return registry;
        } catch (error) {
          // what does not answer at all is not asked again: the name is wrong, or the port, or the encryption
          if (!(error instanceof TransientError) || error.answer !== undefined) throw error;
          failure = error.failure;
        }
      }
      throw failure;
    }, { clock, random, signal });
  }

  get domain(): string {
    return this.options.domain;
  }

  /** An address of the API. @param path below /v2/ */
  url(path: string): URL {
    return new URL(`/v2/${path}`, this.transport.options.base);
  }

  async #ping(what: string, signal: AbortSignal): Promise<void> {
    using guard = this.transport.guard(what, signal);
    const exchange: Exchange = { what, method: "GET", url: this.url(""), guard };
    const response = await this.transport.send(exchange);
    if (response.status === 404) {
      throw new ImageError({ what, why: `${exchange.url.host} is no registry: it has no /v2/` });
    }
    // a registry may want no login for anything but /v2/ itself, so whoever has none goes on
    if (response.status === 401) this.auth.learn(response);
    else if (!response.ok) throw await this.failure(response, exchange);
    await response.body?.cancel();
  }

  /** Asks whether the registry takes the login. @throws {DhowError} when it does not */
  checkAccess(what: string, signal: AbortSignal): Promise<void> {
    return this.attempt(what, signal, async (guard) => {
      const { body } = await this.request({ what, method: "GET", url: this.url(""), guard }, [], [200]);
      await body?.cancel();
    });
  }

  /**
   * Makes a request that the registry answers with one of some statuses.
   * @param scopes what a token has to be good for
   * @throws {TransientError} when another attempt may help
   */
  async request(
    exchange: Exchange,
    scopes: readonly Scope[],
    statuses: readonly number[],
  ): Promise<Response> {
    const isOwn = exchange.url.origin === this.transport.options.base.origin;
    for (let isRepeated = false;; isRepeated = true) {
      const authorization = isOwn ? await this.auth.header(scopes, exchange) : undefined;
      const response = await this.transport.send(exchange, authorization);
      if (statuses.includes(response.status)) return response;
      const isRefused = isOwn && response.status === 401 && !isRepeated &&
        !(exchange.body instanceof ReadableStream);
      if (!isRefused || !this.auth.learn(response)) throw await this.failure(response, exchange);
      await response.body?.cancel();
      this.auth.forget(scopes);
    }
  }

  /** Does something over again while it fails in a way that may pass. */
  attempt<T>(
    what: string,
    signal: AbortSignal,
    work: (guard: StallGuard, renew: () => void) => Promise<T>,
  ): Promise<T> {
    return withRetries(async (renew) => {
      using guard = this.transport.guard(what, signal);
      return await work(guard, renew);
    }, this.#retryContext(signal));
  }

  #retryContext(signal: AbortSignal): RetryContext {
    const { clock, random } = this.options;
    return { clock, random, signal };
  }

  failure(response: Response, { what, guard }: Exchange): Promise<DhowError | TransientError> {
    return failureOf(response, { ...this.options, what, guard });
  }
}

/** What reading a repository takes. */
export function pullScope(path: string): Scope {
  return `repository:${path}:pull`;
}

/** What writing to a repository takes. */
export function pushScope(path: string): Scope {
  return `repository:${path}:pull,push`;
}
