import { assert } from "@std/assert";
import { assertFailure, assertSuccess } from "../support/containers.ts";
import { busyboxArchive } from "../support/images.ts";
import { ADDRESS, makeAuthority, TestRegistry } from "../support/registry.ts";
import { systemTest } from "../support/system_test.ts";

/** Not this machine's own, to dhow: encryption is a must. The host has it. */
const FOREIGN = "198.51.100.2:5000";

systemTest("a registry is trusted when its CA is in certs.d, or in the system's bundle", async (host) => {
  const ca = await makeAuthority(host);
  await using registry = await TestRegistry.start(host, { tls: true });
  await registry.put(await busyboxArchive(), "app:1");
  const pull = ["pull", "-q", `${ADDRESS}/app:1`];
  assertFailure(
    await host.dhow(pull),
    1,
    /UnknownIssuer\); .*\/etc\/docker\/certs\.d\/127\.0\.0\.1:5000\/ca\.crt/,
  );
  assertFailure(await host.dhow([...pull, "--insecure"]), 1, /UnknownIssuer/);
  assertSuccess({ ...await host.dhow(pull, { env: { SSL_CERT_FILE: ca } }), stdout: "" });
  await host.shell(
    `mkdir -p /etc/docker/certs.d/${ADDRESS} && cp ${ca} /etc/docker/certs.d/${ADDRESS}/ca.crt`,
  );
  assertSuccess({ ...await host.dhow(pull), stdout: "" });
  await host.write("broken.crt", "-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n");
  await host.shell(`cp ${host.file("broken.crt")} /etc/docker/certs.d/${ADDRESS}/other.crt`);
  assertFailure(
    await host.dhow(pull),
    1,
    /cannot use the certificates in "\/etc\/docker\/certs\.d\/127\.0\.0\.1:5000"/,
  );
});

systemTest(
  "without encryption only this machine's own registries are spoken to, or those meant by --insecure",
  async (host) => {
    await using registry = await TestRegistry.start(host, { address: "0.0.0.0:5000" });
    await registry.put(await busyboxArchive(), "app:1");
    assertFailure(
      await host.dhow(["pull", "-q", `${FOREIGN}/app:1`]),
      1,
      /does not answer in TLS; .*--insecure/,
    );
    const insecure = await host.dhow(["pull", "-q", "--insecure", `${FOREIGN}/app:1`]);
    assertSuccess({ ...insecure, stdout: "" });
    assert(insecure.stdout === `${FOREIGN}/app:1\n`);
  },
);

systemTest(
  "a certificate that signs itself is trusted when it is no CA's, and else told how to make it",
  async (host) => {
    const make = (...options: string[]) =>
      host.shell(`
      cd ${host.file("")}
      openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=test \
        -keyout server.key -out server.crt ${options.join(" ")}
      mkdir -p /etc/docker/certs.d/${ADDRESS} && cp server.crt /etc/docker/certs.d/${ADDRESS}/ca.crt`);
    const pull = async () => {
      await using _registry = await TestRegistry.start(host, { tls: true });
      return await host.dhow(["pull", "-q", `${ADDRESS}/app:1`]);
    };
    await make("-addext subjectAltName=IP:127.0.0.1");
    assertFailure(await pull(), 1, /one of a CA, not of a server; .*CA:FALSE/);
    await make("-addext subjectAltName=IP:192.0.2.1 -addext basicConstraints=critical,CA:FALSE");
    assertFailure(await pull(), 1, /is for another name; .*subjectAltName/);
    await make("-addext subjectAltName=IP:127.0.0.1 -addext basicConstraints=critical,CA:FALSE");
    assertFailure(await pull(), 1, /404/); // it is spoken to, and has no such image
  },
);
