/** Why there was no connection, in words that say what to do. Deno has rustls's words, and no codes. */
import { HostError } from "../../errors.ts";
import { CERTIFICATES_FOLDER } from "./certificates.ts";
import { TransientError } from "./retry.ts";

export interface FailedConnection {
  /** How errors name the work. */
  readonly what: string;
  /** To whom there was none, with the port. */
  readonly host: string;
  /** The registry that it was made for: its folder of certificates is the one that is read. */
  readonly registry: string;
}

/** @returns a TransientError when another attempt may help, or another way: without encryption */
export function connectionFailure(
  { what, host, registry }: FailedConnection,
  cause: Error,
): TransientError | HostError {
  const { message } = cause;
  const failure = (why: string, hint: string) => new HostError({ what, why: `${host}: ${why}`, hint, cause });
  if (/certificate/i.test(message)) {
    // neither a certificate nor a name changes by itself: no other attempt is made
    const { why, hint } = CERTIFICATES.find(({ words }) => words.test(message)) ?? OTHER_CERTIFICATE;
    return failure(why, hint(`${CERTIFICATES_FOLDER}/${registry}/ca.crt`));
  }
  // Deno's message says everything twice, the address first
  const said = message.split(": ").at(-1)!;
  if (/Name or service not known|No address associated/.test(message)) {
    return failure(said, "check the registry's name");
  }
  // what rustls says of an answer that is no TLS, most often one in plain HTTP
  if (/received corrupt message of type/.test(message)) {
    const hint = "if it has no encryption, and you trust the network, add: --insecure";
    return new TransientError(failure("it does not answer in TLS", hint));
  }
  return new TransientError(failure(said, "check the connection to the registry, and try again"));
}

interface CertificateFailure {
  readonly why: string;
  /** @param path of the file where a CA is to be put */
  readonly hint: (path: string) => string;
}

const OTHER_CERTIFICATE: CertificateFailure = {
  why: "its certificate is not accepted",
  hint: (path) => `if you trust it, put its CA into ${path}; --debug says more`,
};

/** By what rustls says (its CertificateError). */
const CERTIFICATES: readonly (CertificateFailure & { readonly words: RegExp })[] = [
  {
    words: /UnknownIssuer/,
    why: "nobody who is trusted here has signed its certificate (UnknownIssuer)",
    hint: (path) => `if you trust it, put its CA into ${path}`,
  },
  {
    words: /NotValidForName|not valid for name/,
    why: "its certificate is for another name",
    hint: () => "use the registry's name that is in it, or give it one with that name as its subjectAltName",
  },
  {
    words: /NotValidYet|not valid yet/,
    why: "its certificate is not valid yet",
    hint: () => "check this machine's clock",
  },
  {
    words: /Expired|certificate expired/,
    why: "its certificate has expired",
    hint: () => "the registry needs a new one; or check this machine's clock",
  },
  {
    // openssl req -x509 makes such, unless told otherwise. Go takes it when it is trusted, rustls never does
    words: /CaUsedAsEndEntity/,
    why: "its certificate is one of a CA, not of a server",
    hint: (path) =>
      `make a new one with: openssl req -x509 -addext basicConstraints=critical,CA:FALSE ..., and put it into ${path}`,
  },
];
