/** `config.json` of docker's client: where it keeps who is logged in where (github.com/docker/cli, cli/config). */
import { Buffer } from "node:buffer";
import { dirname, join } from "@std/path";
import { HostError } from "../../errors.ts";
import { DEFAULT_DOMAIN } from "../reference.ts";
import { MAX_JSON_SIZE } from "../config.ts";
import type { Credentials } from "./credentials.ts";

/** Under which docker's client keeps the login of docker.io. */
const DOCKER_HUB_KEY = "https://index.docker.io/v1/";

type Json = Record<string, unknown>;

/** The file, as it was read. Members that are not known here are kept. */
export class DockerConfig {
  private constructor(readonly path: string, readonly document: Json) {}

  /**
   * Reads the file below `$DOCKER_CONFIG`, or below `~/.docker`; none is the same as an empty one.
   * @throws {HostError} when it cannot be read, or is no JSON object
   */
  static read(environment: (name: string) => string | undefined = Deno.env.get): DockerConfig {
    const folder = environment("DOCKER_CONFIG") || join(environment("HOME") || "/root", ".docker");
    const path = join(folder, "config.json");
    try {
      const file = Deno.realPathSync(path); // it may be a link, which stays one
      if (Deno.statSync(file).size > MAX_JSON_SIZE) throw new RangeError(`more than ${MAX_JSON_SIZE} bytes`);
      const document: unknown = JSON.parse(Deno.readTextFileSync(file));
      if (!isObject(document)) throw new TypeError("it is no JSON object");
      return new DockerConfig(file, document);
    } catch (cause) {
      if (cause instanceof Deno.errors.NotFound) return new DockerConfig(path, {});
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new HostError({ what: `cannot read "${path}"`, why, hint: "mend it or move it away", cause });
    }
  }

  /**
   * The login that the file itself holds for a registry.
   * @throws {HostError} when there is one that cannot be understood
   */
  login(domain: string): Credentials | undefined {
    const found = this.#keys(domain)[0];
    if (found === undefined) return undefined;
    const entry = this.#auths()[found];
    if (!isObject(entry)) return undefined;
    const { identitytoken: token, auth, username, password } = entry;
    if (isText(token)) return { kind: "token", token };
    if (isText(auth)) return this.#decode(auth, found);
    if (isText(username) && isText(password)) return { kind: "password", username, password };
    return undefined; // as docker leaves it when a helper has the secret
  }

  #decode(auth: string, key: string): Credentials {
    const text = Buffer.from(auth, "base64").toString();
    const colon = text.indexOf(":");
    if (colon < 1) {
      throw new HostError({
        what: `cannot use the login for ${key} in "${this.path}"`,
        why: "its auth is not USER:PASSWORD in base64",
        hint: `log in again with: dhow login ${key}`,
      });
    }
    // docker strips NULs, with which some tools pad
    return {
      kind: "password",
      username: text.slice(0, colon),
      password: text.slice(colon + 1).replace(/\0+$/, ""),
    };
  }

  /** The program that keeps a registry's secret: its name without `docker-credential-`. */
  helper(domain: string): string | undefined {
    const helpers = isObject(this.document.credHelpers) ? this.document.credHelpers : {};
    for (const key of [serverKey(domain), domain]) {
      if (Object.hasOwn(helpers, key) && isText(helpers[key])) return helpers[key];
    }
    return isText(this.document.credsStore) ? this.document.credsStore : undefined;
  }

  /** Whether the file says anything of a login at a registry. */
  isLoggedIn(domain: string): boolean {
    return this.#keys(domain).length > 0;
  }

  /** The same with a login in it. @param credentials absent: a helper has the secret */
  withLogin(domain: string, credentials?: Credentials): DockerConfig {
    return this.#withAuths({
      ...this.withoutLogin(domain).#auths(),
      [serverKey(domain)]: encode(credentials),
    });
  }

  withoutLogin(domain: string): DockerConfig {
    const keys = this.#keys(domain);
    return this.#withAuths(
      Object.fromEntries(Object.entries(this.#auths()).filter(([key]) => !keys.includes(key))),
    );
  }

  #withAuths(auths: Json): DockerConfig {
    return new DockerConfig(this.path, { ...this.document, auths });
  }

  /**
   * Writes the file whole or not at all, for nobody else to read.
   * @throws {HostError}
   */
  write(): void {
    const folder = dirname(this.path);
    let temporary: string | undefined;
    try {
      Deno.mkdirSync(folder, { recursive: true, mode: 0o700 });
      // with the mode 0600, as mkstemp(3) does
      temporary = Deno.makeTempFileSync({ dir: folder, prefix: "config.json" });
      using file = Deno.openSync(temporary, { write: true });
      const bytes = new TextEncoder().encode(`${JSON.stringify(this.document, undefined, "\t")}\n`);
      for (let done = 0; done < bytes.length;) done += file.writeSync(bytes.subarray(done));
      file.syncSync();
      Deno.renameSync(temporary, this.path);
    } catch (cause) {
      if (temporary !== undefined) Deno.removeSync(temporary);
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new HostError({ what: `cannot write "${this.path}"`, why, cause });
    }
  }

  #auths(): Json {
    return isObject(this.document.auths) ? this.document.auths : {};
  }

  /** The keys of a registry's logins, the best first: older clients wrote addresses. */
  #keys(domain: string): string[] {
    const keys = Object.keys(this.#auths());
    const exact = serverKey(domain);
    return [
      ...keys.filter((key) => key === exact),
      ...keys.filter((key) => key !== exact && domainOf(key) === domain),
    ];
  }
}

/** What docker's client, and the helpers, call a registry. */
export function serverKey(domain: string): string {
  return domain === DEFAULT_DOMAIN ? DOCKER_HUB_KEY : domain;
}

/** The registry that a key, or a user, means: `https://localhost:5000/v2/` is `localhost:5000`. */
export function domainOf(server: string): string {
  const host = server.replace(/^https?:\/\//, "").replace(/\/.*$/, "");
  return ["index.docker.io", "registry-1.docker.io"].includes(host) ? DEFAULT_DOMAIN : host;
}

function encode(credentials: Credentials | undefined): Json {
  if (credentials === undefined) return {};
  if (credentials.kind === "token") {
    return { auth: base64(`${TOKEN_USER}:`), identitytoken: credentials.token };
  }
  return { auth: base64(`${credentials.username}:${credentials.password}`) };
}

/** The name of nobody, in place of a user's, where an identity token stands for both. */
export const TOKEN_USER = "<token>";

function base64(text: string): string {
  return Buffer.from(text).toString("base64");
}

function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isText(value: unknown): value is string {
  return typeof value === "string" && value !== "";
}
