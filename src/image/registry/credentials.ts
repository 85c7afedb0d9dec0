/** Who somebody is at a registry, and where that is kept. */
import { CredentialHelper } from "./credential_helper.ts";
import { DockerConfig, serverKey } from "./docker_config.ts";

export type Credentials =
  | { readonly kind: "password"; readonly username: string; readonly password: string }
  /** An identity token: good for access tokens, and nothing else. */
  | { readonly kind: "token"; readonly token: string };

/** What is kept of a login at a registry: by its helper if it has one, else in docker's config.json. */
export async function findCredentials(domain: string): Promise<Credentials | undefined> {
  const config = DockerConfig.read();
  const helper = config.helper(domain);
  const kept = helper === undefined ? undefined : await new CredentialHelper(helper).get(serverKey(domain));
  return kept ?? config.login(domain);
}

/**
 * Keeps a login.
 * @returns the file in which it can be read by whoever can read that file; undefined when a helper keeps it
 */
export async function keepCredentials(domain: string, credentials: Credentials): Promise<string | undefined> {
  const config = DockerConfig.read();
  const helper = config.helper(domain);
  if (helper === undefined) {
    config.withLogin(domain, credentials).write();
    return config.path;
  }
  await new CredentialHelper(helper).store(serverKey(domain), credentials);
  config.withLogin(domain).write();
  return undefined;
}

/** Forgets a login. @returns whether there was one */
export async function forgetCredentials(domain: string): Promise<boolean> {
  const config = DockerConfig.read();
  const helper = config.helper(domain);
  const hasFileLogin = config.isLoggedIn(domain);
  if (helper !== undefined) await new CredentialHelper(helper).erase(serverKey(domain));
  if (hasFileLogin) config.withoutLogin(domain).write();
  return hasFileLogin || helper !== undefined;
}
