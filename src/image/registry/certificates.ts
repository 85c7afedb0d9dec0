/** Which certificates are trusted, and shown: the system's, and those that docker finds below /etc/docker/certs.d. */
import { join } from "@std/path";
import { HostError } from "../../errors.ts";
import { entriesIn, readConfiguration } from "../../state/read.ts";
import { spareLoopback } from "./proxies.ts";

/** Where docker looks (docs.docker.com/engine/security/certificates). */
export const CERTIFICATES_FOLDER = "/etc/docker/certs.d";

/** The system's bundle, wherever a distribution has it (Go's crypto/x509, root_linux.go). */
const BUNDLES = [
  "/etc/ssl/certs/ca-certificates.crt",
  "/etc/pki/tls/certs/ca-bundle.crt",
  "/etc/ssl/ca-bundle.pem",
  "/etc/pki/tls/cacert.pem",
  "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
  "/etc/ssl/cert.pem",
];

/**
 * A client that trusts what the system trusts, and what the administrator has put down for this registry.
 * @param domain with its port, as in an image's name
 * @throws {HostError} when a file there cannot be read or used
 */
export function makeHttpClient(domain: string): Deno.HttpClient {
  const folder = join(CERTIFICATES_FOLDER, domain);
  const names = entriesIn(folder).map(({ name }) => name).sort();
  const read = (name: string) => readFile(join(folder, name));
  const caCerts = names.filter((name) => name.endsWith(".crt")).map(read);
  const certificate = names.find((name) => name.endsWith(".cert"));
  const identity = certificate === undefined
    ? {}
    : { cert: read(certificate), key: read(certificate.replace(/cert$/, "key")) };
  spareLoopback();
  try {
    return Deno.createHttpClient({ caCerts: [...systemBundle(), ...caCerts], ...identity });
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new HostError({ what: `cannot use the certificates in "${folder}"`, why, cause });
  }
}

function systemBundle(): string[] {
  const chosen = Deno.env.get("SSL_CERT_FILE");
  for (const path of chosen === undefined ? BUNDLES : [chosen]) {
    const text = readConfiguration(path);
    if (text !== undefined) return [text];
  }
  return []; // then there is what Deno itself brings
}

function readFile(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new HostError({
      what: `cannot read "${path}"`,
      why,
      hint: "a NAME.cert there needs its NAME.key",
      cause,
    });
  }
}
