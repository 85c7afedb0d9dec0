/** How a registry is told who asks (docker's "Token Authentication Specification" and "OAuth2"; RFC 7617 for basic). */
import { Buffer } from "node:buffer";
import { ImageError } from "../../errors.ts";
import { failureOf } from "./answer.ts";
import { type Challenge, parseChallenges } from "./challenge.ts";
import type { Credentials } from "./credentials.ts";
import type { Exchange, Transport } from "./transport.ts";

/** What a token is good for: `repository:library/busybox:pull`. */
export type Scope = string;

export interface AuthorizerOptions {
  readonly domain: string;
  readonly transport: Transport;
  /** Asked once, and only when the registry wants to know. */
  readonly credentials: () => Promise<Credentials | undefined>;
  /** Whether to ask for an identity token, to keep it in place of the password: `login`. */
  readonly isLogin?: boolean;
}

interface Token {
  readonly text: string;
  /** In ms since 1970. */
  readonly expires: number;
}

/** In bytes. */
const MAX_TOKEN_DOCUMENT = 256 << 10;
/** The specification's default life of a token, in seconds. */
const DEFAULT_LIFE = 60;
/** A token is renewed this long before it expires, in ms. */
const MARGIN = 10_000;

const CLIENT_ID = "dhow";

/** Finds the Authorization header for requests to one registry. */
export class Authorizer {
  readonly #tokens = new Map<string, Promise<Token>>();
  #credentials: Promise<Credentials | undefined> | undefined;
  #challenge: Challenge | undefined;
  /** What a token service gave for a password, to be kept in its place. */
  #identityToken: string | undefined;

  constructor(readonly options: AuthorizerOptions) {}

  get identityToken(): string | undefined {
    return this.#identityToken;
  }

  /**
   * Takes in an answer of the registry itself, 401.
   * @returns whether it says anything that is of use here
   */
  learn(response: Response): boolean {
    const challenges = parseChallenges(response.headers.get("www-authenticate") ?? "");
    const usable = challenges.find(({ scheme }) => scheme === "bearer") ??
      challenges.find(({ scheme }) => scheme === "basic");
    this.#challenge = usable ?? this.#challenge;
    return usable !== undefined;
  }

  /** Forgets the token for some scopes, which the registry no longer takes. */
  forget(scopes: readonly Scope[]): void {
    this.#tokens.delete(scopes.join(" "));
  }

  /**
   * The Authorization header; undefined when the registry wants none, or there is no login to show.
   * @throws {DhowError | TransientError} when the token service refuses, or does not answer
   */
  async header(
    scopes: readonly Scope[],
    exchange: Pick<Exchange, "what" | "guard">,
  ): Promise<string | undefined> {
    if (this.#challenge === undefined) return undefined;
    if (this.#challenge.scheme === "bearer") return `Bearer ${await this.#token(scopes, exchange)}`;
    const credentials = await this.#find();
    return credentials?.kind === "password" ? basic(credentials) : undefined;
  }

  #find(): Promise<Credentials | undefined> {
    return this.#credentials ??= this.options.credentials();
  }

  async #token(scopes: readonly Scope[], exchange: Pick<Exchange, "what" | "guard">): Promise<string> {
    const { clock } = this.options.transport.options;
    const key = scopes.join(" ");
    for (let known = this.#tokens.get(key); known !== undefined; known = this.#tokens.get(key)) {
      const token = await known.catch(() => undefined);
      if (token !== undefined && token.expires - MARGIN > clock.now()) return token.text;
      // unless somebody else was faster
      if (this.#tokens.get(key) === known) this.#tokens.delete(key);
    }
    // kept as a promise: layers that begin at once ask for one token together
    const fetched = this.#fetchToken(scopes, exchange);
    this.#tokens.set(key, fetched);
    return (await fetched).text;
  }

  async #fetchToken(
    scopes: readonly Scope[],
    { what, guard }: Pick<Exchange, "what" | "guard">,
  ): Promise<Token> {
    const { transport } = this.options;
    const { clock } = transport.options;
    const exchange = await this.#tokenRequest(scopes, { what, guard });
    const response = await transport.send(exchange.request, exchange.authorization);
    if (!response.ok) throw await failureOf(response, { ...this.options, what, clock, guard });
    const body = await transport.read(exchange.request, response, MAX_TOKEN_DOCUMENT);
    return this.#parse(body, what, clock.now());
  }

  async #tokenRequest(
    scopes: readonly Scope[],
    { what, guard }: Pick<Exchange, "what" | "guard">,
  ): Promise<{ request: Exchange; authorization?: string }> {
    const { transport, isLogin } = this.options;
    const { parameters } = this.#challenge!;
    const realm = parameters.get("realm") ??
      transport.refuse(what, "the registry does not say where it gives tokens");
    const url = transport.follow(what, realm, transport.options.base);
    const service = parameters.get("service");
    const credentials = await this.#find();
    if (credentials?.kind === "token") {
      const form = new URLSearchParams({
        grant_type: "refresh_token",
        refresh_token: credentials.token,
        client_id: CLIENT_ID,
        ...(service === undefined ? {} : { service }),
        ...(scopes.length === 0 ? {} : { scope: scopes.join(" ") }),
      });
      const headers = { "content-type": "application/x-www-form-urlencoded" };
      return { request: { what, method: "POST", url, headers, body: `${form}`, guard } };
    }
    if (service !== undefined) url.searchParams.set("service", service);
    for (const scope of scopes) url.searchParams.append("scope", scope);
    if (isLogin) {
      url.searchParams.set("offline_token", "true");
      url.searchParams.set("client_id", CLIENT_ID);
    }
    const request: Exchange = { what, method: "GET", url, guard };
    if (credentials === undefined) return { request };
    url.searchParams.set("account", credentials.username);
    return { request, authorization: basic(credentials) };
  }

  #parse(body: Uint8Array, what: string, now: number): Token {
    const refuse = (cause?: unknown): never => {
      throw new ImageError({
        what,
        why: "the registry's token service answers with what is no token",
        cause,
      });
    };
    let document: Record<string, unknown>;
    try {
      document = (JSON.parse(new TextDecoder().decode(body)) ?? {}) as Record<string, unknown>;
    } catch (cause) {
      return refuse(cause);
    }
    const text = document.access_token || document.token;
    // of such characters tokens are made (RFC 6750, section 2.1)
    if (typeof text !== "string" || !/^[A-Za-z0-9._~+/-]+=*$/.test(text)) return refuse();
    const { expires_in: life, refresh_token: identityToken } = document;
    if (typeof identityToken === "string" && identityToken !== "") this.#identityToken = identityToken;
    const seconds = typeof life === "number" && life > 0 ? life : DEFAULT_LIFE;
    return { text, expires: now + seconds * 1000 };
  }
}

function basic({ username, password }: { username: string; password: string }): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`;
}
