import { DhowError, UsageError } from "../errors.ts";
import { interruptible } from "../image/interrupt.ts";
import { DEFAULT_DOMAIN, isDomain } from "../image/reference.ts";
import { type Credentials, findCredentials, keepCredentials } from "../image/registry/credentials.ts";
import { domainOf } from "../image/registry/docker_config.ts";
import { log } from "../log.ts";
import type { Command, ParsedOptions } from "./command.ts";
import { print } from "./output.ts";
import { ask } from "./prompt.ts";
import { connect } from "./registry.ts";
import { INSECURE } from "./registry_options.ts";

export const command: Command = {
  usage: "[OPTIONS] [SERVER]",
  summary: "Log in to a registry, and keep that for pull and push. Without SERVER it is docker.io.",
  options: [
    INSECURE,
    { name: "password", short: "p", value: "PASSWORD", help: "others can see it while dhow runs" },
    { name: "password-stdin", help: "read the password from standard input" },
    { name: "username", short: "u", value: "NAME", help: "who logs in" },
  ],
  async run({ args, options }) {
    const domain = serverArgument("log in", args);
    const what = `cannot log in to ${domain}`;
    const check = checkOptions(options, what);
    await interruptible(what, async (signal) => {
      const verify = (credentials: Credentials) =>
        verifyLogin({ domain, isInsecure: options.flag("insecure") }, credentials, what, signal);
      if (check.mayUseKept && await isStillGood(domain, verify)) return;
      const credentials = await askFor(options, what, signal);
      const kept = await keepCredentials(domain, await verify(credentials) ?? credentials);
      if (kept !== undefined) warnOfPlainStorage(kept);
      print("Login Succeeded\n");
    });
    return 0;
  },
};

/**
 * The registry that a command's argument names.
 * @param action for the error: `log in`
 */
export function serverArgument(action: string, args: readonly string[]): string {
  const [server, ...others] = args;
  if (others.length > 0) {
    throw new UsageError({ what: `cannot ${action}`, why: "there is at most one argument, the server" });
  }
  if (server === undefined) return DEFAULT_DOMAIN;
  const domain = domainOf(server);
  if (isDomain(domain)) return domain;
  throw new UsageError({
    what: `cannot ${action}`,
    why: `${JSON.stringify(server)} is no registry's name`,
    hint: "write it as in an image's name: localhost:5000",
  });
}

/** @returns whether what is kept already may be tried: nobody gave anything new */
function checkOptions(options: ParsedOptions, what: string): { mayUseKept: boolean } {
  const refuse = (why: string, hint: string): never => {
    throw new UsageError({ what, why, hint });
  };
  const [username, password] = [options.text("username"), options.text("password")];
  const isFromStdin = options.flag("password-stdin");
  if (password !== undefined) log.warn("using --password is insecure; use --password-stdin");
  if (password !== undefined && isFromStdin) {
    refuse("--password and --password-stdin exclude each other", "leave one out");
  }
  if (isFromStdin && username === undefined) refuse("--password-stdin needs a name", "add: --username NAME");
  return { mayUseKept: username === undefined && password === undefined };
}

/** Whether the registry takes the login that is kept already. */
async function isStillGood(
  domain: string,
  verify: (kept: Credentials) => Promise<unknown>,
): Promise<boolean> {
  const kept = await findCredentials(domain);
  if (kept === undefined) return false;
  print("Authenticating with existing credentials...\n");
  try {
    await verify(kept);
  } catch (error) {
    if (!(error instanceof DhowError)) throw error;
    print(`Login did not succeed: ${error.message}\n`);
    return false;
  }
  print("Login Succeeded\n");
  return true;
}

async function askFor(options: ParsedOptions, what: string, signal: AbortSignal): Promise<Credentials> {
  const username = options.text("username") ?? await question("Username: ", false, what, signal);
  const password = options.flag("password-stdin")
    ? (await readAll(signal)).replace(/\r?\n$/, "")
    : options.text("password") ?? await question("Password: ", true, what, signal);
  if (username !== "" && password !== "") return { kind: "password", username, password };
  throw new UsageError({ what, why: `there is no ${username === "" ? "username" : "password"}` });
}

/** Standard input, to its end. */
function readAll(signal: AbortSignal): Promise<string> {
  return new Response(Deno.stdin.readable.pipeThrough(new TransformStream(), { signal })).text();
}

async function question(text: string, isSecret: boolean, what: string, signal: AbortSignal): Promise<string> {
  if (!Deno.stdin.isTerminal()) {
    const why = "standard input is not a terminal, so nobody can be asked";
    throw new UsageError({ what, why, hint: "use: --username NAME --password-stdin" });
  }
  return (await ask(text, isSecret, signal))?.trim() ?? "";
}

/**
 * Shows a login to the registry.
 * @returns an identity token, if the registry gave one to be kept in place of the password
 * @throws {DhowError} when the registry does not take it
 */
async function verifyLogin(
  server: { domain: string; isInsecure: boolean },
  credentials: Credentials,
  what: string,
  signal: AbortSignal,
): Promise<Credentials | undefined> {
  const options = { ...server, isLogin: true, credentials: () => Promise.resolve(credentials) };
  const registry = await connect(options, what, signal);
  await registry.checkAccess(what, signal);
  const token = registry.auth.identityToken;
  return token === undefined ? undefined : { kind: "token", token };
}

function warnOfPlainStorage(path: string): void {
  log.warn(
    `your password is stored unencrypted in ${path}; to remove this warning, configure a credential helper: ` +
      "https://docs.docker.com/go/credential-store/",
  );
}
