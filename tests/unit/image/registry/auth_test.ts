import { assert, assertEquals, assertRejects } from "@std/assert";
import { HostError, ImageError } from "../../../../src/errors.ts";
import type { Registry } from "../../../../src/image/registry/registry.ts";
import { type Answer, BASE, DOMAIN, FakeNetwork } from "./fake.ts";

const REALM = "https://auth.example/token";
const SCOPE = "repository:team/app:pull";
const ANN = { kind: "password", username: "ann", password: "secret" } as const;
const BASIC = `Basic ${btoa("ann:secret")}`;

function unauthorized(challenge: string): Response {
  return new Response("{}", { status: 401, headers: { "www-authenticate": challenge } });
}

/** A registry that takes one token, which a service at REALM gives. @param service what the service says */
function withTokens(service: Answer, realm = REALM): FakeNetwork {
  return new FakeNetwork((asked) => {
    if (asked.url.origin !== BASE) return service(asked);
    const isGood = asked.headers.get("authorization") === "Bearer good";
    return isGood ? new Response("here") : unauthorized(`Bearer realm="${realm}",service="${DOMAIN}"`);
  });
}

const GOOD: Answer = () => Response.json({ token: "good" });

/** Fetches something for which SCOPE is needed. */
function fetchSomething(registry: Registry, network: FakeNetwork): Promise<Response> {
  return registry.attempt("cannot test", network.controller.signal, (guard) => {
    const url = registry.url("team/app/something");
    return registry.request({ what: "cannot test", method: "GET", url, guard }, [SCOPE], [200]);
  });
}

function tokenRequests({ asked }: FakeNetwork) {
  return asked.filter(({ url }) => url.origin !== BASE);
}

Deno.test("whoever has no login gets an anonymous token for what is wanted", async () => {
  const network = withTokens(GOOD);
  await fetchSomething(await network.connect(), network);
  const [request] = tokenRequests(network);
  assertEquals(request!.url.href, `${REALM}?service=${DOMAIN}&scope=${encodeURIComponent(SCOPE)}`);
  assertEquals(request!.headers.get("authorization"), null);
});

Deno.test("a password is shown to the token service, and the token to the registry", async () => {
  const network = withTokens(GOOD);
  network.credentials = ANN;
  await fetchSomething(await network.connect(), network);
  const [request] = tokenRequests(network);
  assertEquals(request!.headers.get("authorization"), BASIC);
  assertEquals(request!.url.searchParams.get("account"), "ann");
  const shown = network.asked.filter(({ url }) => url.origin === BASE).map(({ headers }) =>
    headers.get("authorization")
  );
  assertEquals(shown, [null, "Bearer good"]);
});

Deno.test("an identity token is exchanged for a token as OAuth 2 has it", async () => {
  const network = withTokens(() => Response.json({ access_token: "good", expires_in: 300 }));
  network.credentials = { kind: "token", token: "identity" };
  await fetchSomething(await network.connect(), network);
  const [request] = tokenRequests(network);
  assertEquals([request!.method, request!.url.href], ["POST", REALM]);
  assertEquals(Object.fromEntries(new URLSearchParams(request!.body)), {
    grant_type: "refresh_token",
    refresh_token: "identity",
    client_id: "dhow",
    service: DOMAIN,
    scope: SCOPE,
  });
});

Deno.test("a login asks for an identity token to keep; a pull does not", async () => {
  const network = withTokens(() => Response.json({ token: "good", refresh_token: "identity" }));
  network.credentials = ANN;
  const login = await network.connect({ isLogin: true });
  await login.checkAccess("cannot log in", network.controller.signal);
  assertEquals(login.auth.identityToken, "identity");
  await fetchSomething(await network.connect(), network);
  assertEquals(tokenRequests(network).map(({ url }) => url.searchParams.get("offline_token")), [
    "true",
    null,
  ]);
});

Deno.test("requests at once share a token; it is renewed before it expires", async () => {
  const network = withTokens(() => Response.json({ token: "good", expires_in: 100 }));
  const registry = await network.connect();
  await Promise.all([fetchSomething(registry, network), fetchSomething(registry, network)]);
  assertEquals(tokenRequests(network).length, 1);
  network.clock.advance(89_000);
  await fetchSomething(registry, network);
  assertEquals(tokenRequests(network).length, 1);
  network.clock.advance(2_000);
  await fetchSomething(registry, network);
  assertEquals(tokenRequests(network).length, 2);
});

Deno.test("a token that the registry no longer takes is replaced, once", async () => {
  let given = 0;
  const network = withTokens(() => Response.json({ token: ++given === 2 ? "good" : "stale" }));
  await fetchSomething(await network.connect(), network);
  assertEquals(given, 2);
  given = 2;
  await assertRejects(
    () => network.connect().then((registry) => fetchSomething(registry, network)),
    ImageError,
    "401",
  );
  assertEquals(given, 4);
});

Deno.test("a registry with basic authentication gets name and password", async () => {
  const network = new FakeNetwork(({ headers }) =>
    headers.get("authorization") === BASIC ? new Response("here") : unauthorized('Basic realm="x"')
  );
  network.credentials = ANN;
  assert((await fetchSomething(await network.connect(), network)).ok);
  network.credentials = undefined;
  const error = await assertRejects(
    () => network.connect().then((registry) => fetchSomething(registry, network)),
    ImageError,
  );
  assert(error.message.endsWith(`it may not exist, or needs: dhow login ${DOMAIN}`), error.message);
});

Deno.test("whose login is refused hears of the password, not that a login is needed", async () => {
  const refusing = [
    new FakeNetwork(() => unauthorized('Basic realm="x"')),
    withTokens(() => unauthorized("Basic")),
  ];
  for (const network of refusing) {
    network.credentials = ANN;
    const registry = await network.connect({ isLogin: true });
    const error = await assertRejects(
      () => registry.checkAccess("cannot log in", network.controller.signal),
      ImageError,
    );
    assert(error.message.endsWith("; check the username and the password"), error.message);
  }
});

Deno.test("a registry that wants no login is not told one", async () => {
  const network = new FakeNetwork(() => new Response("here"));
  network.credentials = ANN;
  await fetchSomething(await network.connect(), network);
  assertEquals(network.asked.map(({ headers }) => headers.get("authorization")), [null, null]);
});

for (const status of [301, 302, 303, 307, 308]) {
  Deno.test(`a ${status} to another host is followed without the login`, async () => {
    const network = withTokens((asked) =>
      asked.url.host === "storage.example" ? new Response("here") : GOOD(asked)
    );
    const { answer } = network;
    const redirecting = new FakeNetwork(async (asked) => {
      const response = await answer(asked);
      if (asked.url.origin !== BASE || !response?.ok) return response;
      return new Response(null, {
        status,
        headers: { location: "https://user:pass@storage.example/blob#x" },
      });
    });
    redirecting.credentials = ANN;
    const response = await fetchSomething(await redirecting.connect(), redirecting);
    assertEquals(await response.text(), "here");
    const last = redirecting.asked.at(-1)!;
    assertEquals([last.url.href, last.headers.get("authorization")], ["https://storage.example/blob", null]);
  });
}

Deno.test("a redirection within the registry keeps the login", async () => {
  const { answer } = withTokens(GOOD);
  const network = new FakeNetwork(async (asked) => {
    const response = await answer(asked);
    const isFirst = response?.ok && asked.url.pathname.endsWith("something");
    return isFirst ? new Response(null, { status: 307, headers: { location: "elsewhere" } }) : response;
  });
  await fetchSomething(await network.connect(), network);
  assertEquals(network.asked.at(-1)!.url.href, `${BASE}/v2/team/app/elsewhere`);
  assertEquals(network.asked.at(-1)!.headers.get("authorization"), "Bearer good");
});

Deno.test("another host's wish for a login is not answered (CVE-2020-15157)", async () => {
  const network = new FakeNetwork(({ url }) => {
    if (url.origin !== BASE) return unauthorized('Basic realm="give"');
    if (url.pathname === "/v2/") return new Response("{}");
    return new Response(null, { status: 307, headers: { location: "https://evil.example/" } });
  });
  network.credentials = ANN;
  const registry = await network.connect();
  await assertRejects(() => fetchSomething(registry, network), ImageError, "evil.example");
  assert(network.asked.every(({ headers }) => !headers.has("authorization")));
});

for (
  const [location, said] of [
    ["http://storage.example/", "http://storage.example, which is not encrypted"],
    ["http://localhost/", "http://localhost, which is not encrypted"],
    ["file:///etc/shadow", "not encrypted"],
    ["https://[", "no address"],
    [`${BASE}/v2/team/app/something`, "more than 5 times"],
  ] as const
) {
  Deno.test(`a registry cannot lead to ${location}`, async () => {
    const network = new FakeNetwork(({ url }) =>
      url.pathname === "/v2/"
        ? new Response("{}")
        : new Response(null, { status: 302, headers: { location } })
    );
    const registry = await network.connect();
    await assertRejects(() => fetchSomething(registry, network), ImageError, said);
    assert(network.asked.every(({ url }) => url.origin === BASE));
  });
}

Deno.test("a password is not sent to a token service without encryption", async () => {
  const network = withTokens(GOOD, "http://auth.example/token");
  network.credentials = ANN;
  const registry = await network.connect();
  await assertRejects(() => fetchSomething(registry, network), ImageError, "not encrypted");
  assertEquals(tokenRequests(network).length, 0);
});

for (
  const [what, answer, said] of [
    ["no token", () => Response.json({}), "what is no token"],
    ["a number", () => Response.json({ token: 7 }), "what is no token"],
    ["a header of its own", () => Response.json({ token: "a\r\nX: y" }), "what is no token"],
    ["no JSON", () => new Response("<html>"), "what is no token"],
    ["null", () => new Response("null"), "what is no token"],
    ["a megabyte", () => new Response("x".repeat(1 << 20)), "more than"],
    ["a refusal", () => unauthorized("Basic"), "401 (unauthorized)"],
  ] as const
) {
  Deno.test(`a token service that answers with ${what} is an error`, async () => {
    const network = withTokens(answer);
    const registry = await network.connect();
    await assertRejects(() => fetchSomething(registry, network), ImageError, said);
  });
}

function refusingConnections(message: string): FakeNetwork {
  return new FakeNetwork(() => {
    throw new TypeError(`error sending request for url (x): client error (Connect): ${message}: ${message}`);
  });
}

Deno.test("a host where nothing answers is not asked again", async () => {
  const network = refusingConnections("Connection refused (os error 111)");
  await assertRejects(() => network.connect(), HostError, "registry.example: Connection refused");
  assertEquals(network.asked.length, 1);
});

Deno.test("a certificate that is not trusted is told with what to do, and never gone around", async () => {
  const network = refusingConnections("invalid peer certificate: UnknownIssuer");
  await assertRejects(
    () => network.connect({ isInsecure: true }),
    HostError,
    "(UnknownIssuer); if you trust it, put its CA into /etc/docker/certs.d/registry.example/ca.crt",
  );
  assertEquals(network.asked.length, 1);
});

Deno.test("without encryption only after an attempt with it", async () => {
  const network = new FakeNetwork(({ url }) => {
    if (url.protocol === "https:") throw new TypeError("received corrupt message of type InvalidContentType");
    return new Response("{}");
  });
  await network.connect({ isInsecure: true });
  assertEquals(network.asked.map(({ url }) => url.href), [`${BASE}/v2/`, `http://${DOMAIN}/v2/`]);
  await assertRejects(() => network.connect(), HostError, "it does not answer in TLS; ");
});

Deno.test("a busy registry is asked again, after as long as it wishes", async () => {
  let busy = 2;
  const network = new FakeNetwork(() =>
    busy-- > 0 ? new Response(null, { status: 429, headers: { "retry-after": "7" } }) : new Response("{}")
  );
  await network.connect();
  assertEquals(network.clock.waits, [7000, 7000]);
});

for (
  const [status, said] of [[404, "is no registry"], [418, "answers 418"], [500, "answers 500"]] as const
) {
  Deno.test(`a host that answers /v2/ with ${status} is no use`, async () => {
    const network = new FakeNetwork(() => new Response("<html>", { status }));
    await assertRejects(() => network.connect(), Error, said);
    assertEquals(network.asked.length, status === 500 ? 6 : 1);
  });
}
