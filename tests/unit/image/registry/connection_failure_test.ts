import { assert, assertEquals } from "@std/assert";
import { HostError } from "../../../../src/errors.ts";
import { connectionFailure } from "../../../../src/image/registry/connection_failure.ts";
import { TransientError } from "../../../../src/image/registry/retry.ts";

/** What a user is told of a message of Deno's, after what failed. */
function told(message: string, host = "registry.example:5000"): string {
  const connection = { what: "cannot test", host, registry: "registry.example:5000" };
  const cause = new TypeError(`error sending request for url (x): client error (Connect): ${message}`);
  const error = connectionFailure(connection, cause);
  const failure = error instanceof TransientError ? error.failure : error;
  assert(failure instanceof HostError);
  assertEquals(failure.cause, cause);
  return failure.message;
}

const CA = "/etc/docker/certs.d/registry.example:5000/ca.crt";

// as rustls 0.23 says it in Deno 2.4.2
for (
  const [message, expected] of [
    ["invalid peer certificate: UnknownIssuer", `UnknownIssuer); if you trust it, put its CA into ${CA}`],
    [
      'invalid peer certificate: certificate not valid for name "registry.example"; certificate is not valid for any names',
      "its certificate is for another name; ",
    ],
    [
      "invalid peer certificate: certificate expired: verification time 2 (UNIX), but certificate is not valid after 1",
      "its certificate has expired; ",
    ],
    [
      "invalid peer certificate: certificate not valid yet: verification time 1 (UNIX), but certificate is not valid before 2",
      "its certificate is not valid yet; check this machine's clock",
    ],
    [
      "invalid peer certificate: Other(OtherError(CaUsedAsEndEntity))",
      `of a CA, not of a server; make a new one with: openssl req -x509 -addext basicConstraints=critical,CA:FALSE ..., and put it into ${CA}`,
    ],
    ["invalid peer certificate: BadEncoding", "its certificate is not accepted; "],
    [
      "received corrupt message of type InvalidContentType",
      "it does not answer in TLS; if it has no encryption",
    ],
    [
      "Connection refused: Connection refused (os error 111)",
      "Connection refused (os error 111); check the conn",
    ],
    ["dns error: Name or service not known: Name or service not known", "known; check the registry's name"],
  ] as const
) {
  Deno.test(`no connection, "${message.slice(0, 60)}": the user is told what to do`, () => {
    const text = told(message);
    assert(text.startsWith("cannot test: registry.example:5000: "), text);
    assert(text.includes(expected), text);
  });
}

Deno.test("the CA of what a registry leads to belongs into the registry's folder, which is the one that is read", () => {
  const text = told("invalid peer certificate: UnknownIssuer", "storage.example");
  assert(text.startsWith("cannot test: storage.example: "), text);
  assert(text.endsWith(CA), text);
});
