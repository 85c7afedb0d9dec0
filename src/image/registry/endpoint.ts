/** Where a registry is reached, and when without encryption. */
import { ImageError } from "../../errors.ts";
import { DEFAULT_DOMAIN } from "../reference.ts";

/** The registry behind docker.io. */
const DOCKER_HUB = "registry-1.docker.io";

/**
 * The addresses at which a registry may be, in the order in which they are tried.
 * @param isInsecure `--insecure`
 * @param what how errors name the work
 * @throws {ImageError} for what a name may hold and no host has: a port above 65535, 256.1.1.1
 */
export function endpoints(domain: string, isInsecure: boolean, what: string): URL[] {
  const host = domain === DEFAULT_DOMAIN ? DOCKER_HUB : domain;
  const secure = URL.parse(`https://${host}/`);
  if (secure === null) {
    const why = `${JSON.stringify(host)} is no address that a registry could have`;
    throw new ImageError({ what, why, hint: "check the registry's name and port" });
  }
  return isInsecure || isLoopback(secure) ? [secure, new URL(`http://${host}/`)] : [secure];
}

/** Whether what is sent there stays on this machine, judged by the name alone: 127.0.0.0/8, ::1, localhost (RFC 6761). */
export function isLoopback({ hostname }: URL): boolean {
  return hostname === "localhost" || hostname === "[::1]" || /^127\.\d+\.\d+\.\d+$/.test(hostname);
}

/**
 * Whether a server may send this client to an address: a token service, the storage behind a registry. Never from an
 * encrypted registry to one that is not.
 * @param from the registry's own address
 */
export function mayLeadTo(from: URL, to: URL, isInsecure: boolean): boolean {
  if (to.protocol === "https:") return true;
  return to.protocol === "http:" && (isInsecure || (from.protocol === "http:" && isLoopback(to)));
}
