/** Programs that keep secrets for docker's client (github.com/docker/docker-credential-helpers). */
import { HostError } from "../../errors.ts";
import type { Credentials } from "./credentials.ts";
import { TOKEN_USER } from "./docker_config.ts";

/** What a helper may answer, in bytes. */
const MAX_ANSWER = 1 << 20;

/** How helpers say that they know nothing of a server. */
const NOT_FOUND = "credentials not found in native keychain";

/** One `docker-credential-NAME`. */
export class CredentialHelper {
  readonly #program: string;

  /** @throws {HostError} when it is the name of no such program */
  constructor(name: string) {
    this.#program = `docker-credential-${name}`;
    // it is looked for in PATH, nowhere else
    if (!/^[A-Za-z0-9._-]+$/.test(name)) {
      this.#fail("read the login", `its name may not hold ${JSON.stringify(name)}`);
    }
  }

  /**
   * @param server as docker calls it
   * @returns undefined when the helper has none
   */
  async get(server: string): Promise<Credentials | undefined> {
    const { success, output } = await this.#run("get", server);
    if (!success && output.includes(NOT_FOUND)) return undefined;
    if (!success) this.#fail("read the login", output);
    const { Username: username, Secret: secret } = this.#parse(output);
    if (typeof username !== "string" || typeof secret !== "string") {
      this.#fail("read the login", "its answer has no Username and Secret");
    }
    return username === TOKEN_USER
      ? { kind: "token", token: secret }
      : { kind: "password", username, password: secret };
  }

  async store(server: string, credentials: Credentials): Promise<void> {
    const [Username, Secret] = credentials.kind === "token"
      ? [TOKEN_USER, credentials.token]
      : [credentials.username, credentials.password];
    const { success, output } = await this.#run(
      "store",
      JSON.stringify({ ServerURL: server, Username, Secret }),
    );
    if (!success) this.#fail("keep the login", output);
  }

  async erase(server: string): Promise<void> {
    const { success, output } = await this.#run("erase", server);
    if (!success && !output.includes(NOT_FOUND)) this.#fail("forget the login", output);
  }

  async #run(action: string, input: string): Promise<{ success: boolean; output: string }> {
    let child: Deno.ChildProcess;
    try {
      child = new Deno.Command(this.#program, {
        args: [action],
        stdin: "piped",
        stdout: "piped",
        stderr: "inherit",
        cwd: "/",
      })
        .spawn();
    } catch (cause) {
      if (!(cause instanceof Deno.errors.NotFound)) throw cause;
      this.#fail(
        "use a helper",
        "there is no such program",
        "install it, or change docker's config.json",
        cause,
      );
    }
    const [output, { success }] = await Promise.all([this.#read(child), child.status, feed(child, input)]);
    return { success, output: output.trim() };
  }

  async #read(child: Deno.ChildProcess): Promise<string> {
    const decoder = new TextDecoder();
    let text = "";
    for await (const chunk of child.stdout) {
      text += decoder.decode(chunk, { stream: true });
      if (text.length <= MAX_ANSWER) continue;
      child.kill("SIGKILL");
      this.#fail("read the login", `it answers with more than ${MAX_ANSWER} bytes`);
    }
    return text;
  }

  #parse(output: string): Record<string, unknown> {
    try {
      return (JSON.parse(output) ?? {}) as Record<string, unknown>;
    } catch (cause) {
      // what it says may hold the secret
      this.#fail("read the login", "its answer is not JSON", undefined, cause);
    }
  }

  #fail(action: string, why: string, hint?: string, cause?: unknown): never {
    const what = `cannot ${action} with ${this.#program}`;
    throw new HostError({ what, why: why.slice(0, 300), ...(hint === undefined ? {} : { hint }), cause });
  }
}

async function feed(child: Deno.ChildProcess, input: string): Promise<void> {
  const writer = child.stdin.getWriter();
  try {
    await writer.write(new TextEncoder().encode(input));
    await writer.close();
  } catch (error) {
    // it need not read what it was told
    if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
  }
}
