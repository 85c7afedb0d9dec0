/** Proxies, which Deno takes from the environment: HTTPS_PROXY, HTTP_PROXY, ALL_PROXY, NO_PROXY. */

/** The part of Deno.env that is used. */
export interface Environment {
  get(name: string): string | undefined;
  set(name: string, value: string): void;
}

const LOOPBACK = "localhost,127.0.0.0/8,::1";

/**
 * Keeps requests to this machine's own servers away from proxies, as Go does it for docker (net/http,
 * ProxyFromEnvironment). A proxy means itself by `localhost`; and http without encryption is allowed there only because it stays on
 * this machine, with a login in it. To be called before the HTTP client is made.
 */
export function spareLoopback(environment: Environment = Deno.env): void {
  // Deno asks for the other spelling only when there is not this one
  const spared = environment.get("NO_PROXY") ?? environment.get("no_proxy") ?? "";
  if (spared.endsWith(LOOPBACK)) return;
  environment.set("NO_PROXY", spared === "" ? LOOPBACK : `${spared},${LOOPBACK}`);
}
