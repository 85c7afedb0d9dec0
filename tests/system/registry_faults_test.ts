import { assert, assertEquals } from "@std/assert";
import { assertFailure, assertSuccess } from "../support/containers.ts";
import type { Host } from "../support/host.ts";
import { archive } from "../support/image.ts";
import { busyboxLayer } from "../support/images.ts";
import {
  ADDRESS,
  type Fault,
  PASSWORD,
  PROXY_ADDRESS,
  startFaultProxy,
  TestRegistry,
  USER,
} from "../support/registry.ts";
import { sameAgain, snapshot } from "../support/snapshot.ts";
import { systemTest } from "../support/system_test.ts";

const NAME = `${PROXY_ADDRESS}/app:1`;
const BLOBS = "GET /v2/app/blobs/";

/** No fault: the config is the first blob that is asked for. */
const CONFIG_PASSES: readonly Fault[] = [{ request: BLOBS, times: 1, do: { kind: "no-range" } }];

/** Bytes that do not compress: what is cut must be long enough. */
function noise(): Uint8Array {
  let state = 1;
  return new Uint8Array(2_000_000).map(() => (state = state * 48271 % 0x7fffffff) & 0xff);
}

/** An image whose second layer is large. */
async function putImage(host: Host, registry: TestRegistry, ...options: string[]): Promise<void> {
  const layers = [busyboxLayer(), [{ path: "noise", content: noise() }]];
  await registry.put(await host.write("image.tar", archive({ layers })), "app:1", ...options);
}

/** A test with that image in a registry, and a proxy before it. @param faults what goes wrong, in turn */
function faultTest(
  name: string,
  faults: readonly Fault[],
  test: (host: Host, asked: () => string[]) => Promise<void>,
): void {
  systemTest(name, async (host) => {
    await using registry = await TestRegistry.start(host);
    await putImage(host, registry);
    await using proxy = await startFaultProxy(host, faults);
    const before = await snapshot(host);
    await test(host, () => proxy.stdout.text.trim().split("\n").slice(1));
    await sameAgain(host, before, ["layers"]);
  });
}

async function assertPulled(host: Host): Promise<void> {
  assertSuccess(await host.dhow(["pull", NAME]));
  const { stdout } = await host.dhow(["run", "--network", "none", NAME, "wc", "-c", "/noise"]);
  assertEquals(stdout, "2000000 /noise\n");
}

faultTest("a download that breaks goes on from where it was", [
  ...CONFIG_PASSES.map((fault): Fault => ({ ...fault, do: { kind: "cut", after: 0 } })),
  ...CONFIG_PASSES,
  { request: BLOBS, times: 2, do: { kind: "short", after: 700_000 } },
], async (host, asked) => {
  await assertPulled(host);
  const ranges = asked().filter((line) => / bytes=700000-\d+ ok$/.test(line));
  assertEquals(ranges.length, 2, asked().join("\n"));
});

faultTest("a registry that knows no ranges is read from the start again", [
  ...CONFIG_PASSES,
  { request: BLOBS, times: 2, do: { kind: "short", after: 100_000 } },
  { request: BLOBS, times: 2, do: { kind: "no-range" } },
], async (host, asked) => {
  await assertPulled(host);
  assert(asked().some((line) => / bytes=100000-\d+ no-range/.test(line)), asked().join("\n"));
});

faultTest("a registry that is busy, or restarts, is asked again", [
  { request: "GET /v2/$", times: 1, do: { kind: "status", status: 503 } },
  { request: "manifests", times: 2, do: { kind: "status", status: 503 } },
  { request: BLOBS, times: 1, do: { kind: "status", status: 429, headers: { "retry-after": "1" } } },
], (host) => assertPulled(host));

for (
  const [what, faults, said] of [
    ["another config", [{ request: BLOBS, times: 1, do: { kind: "corrupt" } }], /for the config sha256:/],
    [
      "more config than there is",
      [{ request: BLOBS, times: 1, do: { kind: "longer" } }],
      /for the config sha256:/,
    ],
    [
      "another manifest",
      [{ request: "manifests", times: 1, do: { kind: "corrupt" } }],
      /sends a manifest of digest/,
    ],
    ["another digest", [{ request: "manifests", times: 1, do: { kind: "wrong-digest" } }], /for sha256:0000/],
    ["other layers", [
      ...CONFIG_PASSES,
      { request: BLOBS, times: 9, do: { kind: "corrupt" } },
    ], /layer sha256:.*sends something else/],
    ["more layer than there is", [
      ...CONFIG_PASSES,
      { request: BLOBS, times: 9, do: { kind: "longer" } },
    ], /layer sha256:.*sends more than/],
  ] as const satisfies readonly (readonly [string, readonly Fault[], RegExp])[]
) {
  faultTest(
    `a registry that sends ${what} is not believed, and nothing of it is kept`,
    faults,
    async (host) => {
      assertFailure(await host.dhow(["pull", "-q", NAME]), 1, said);
      assertEquals((await host.dhow(["images", "-q"])).stdout, "");
    },
  );
}

systemTest("a registry that hands out its layers at another host gets its login to itself", async (host) => {
  await using registry = await TestRegistry.start(host, { auth: "basic" });
  await putImage(host, registry, "--dest-creds", `${USER}:${PASSWORD}`);
  const to = "http://127.0.0.2:5001";
  await using proxy = await startFaultProxy(host, [{
    request: BLOBS,
    times: 1,
    do: { kind: "redirect", to },
  }]);
  const env = { DOCKER_CONFIG: host.file("docker") };
  const login = await host.dhow(["login", "-u", USER, "--password-stdin", PROXY_ADDRESS], {
    env,
    stdin: PASSWORD,
  });
  assertEquals(login.code, 0);
  // the other host is the proxy as well, and asks for a login because none came
  assertFailure(await host.dhow(["pull", "-q", NAME], { env }), 1, /127\.0\.0\.2:5001, .* wants a login/);
  const asked = proxy.stdout.text.split("\n");
  const elsewhere = asked.filter((line) => line.startsWith("127.0.0.2 "));
  assertEquals(elsewhere.map((line) => line.replace(/sha256:\w+/, "…")), [
    "127.0.0.2 GET /v2/app/blobs/… ok",
  ]);
  assert(asked.some((line) => line.startsWith("127.0.0.1 ") && line.includes(" with login ")));
});

faultTest("layers at another host that wants no login are downloaded from there", [
  { request: BLOBS, times: 1, do: { kind: "redirect", to: "http://127.0.0.2:5001" } },
], (host) => assertPulled(host));

faultTest("a registry of this machine's cannot lead to another machine without encryption", [
  { request: BLOBS, times: 1, do: { kind: "redirect", to: "http://198.51.100.2:5001" } },
], async (host, asked) => {
  assertFailure(
    await host.dhow(["pull", "-q", NAME]),
    1,
    /leads to http:\/\/198\.51\.100\.2:5001, which is not encrypted/,
  );
  assert(!asked().some((line) => line.startsWith("198.")));
});

const HANGING: readonly Fault[] = [
  ...CONFIG_PASSES,
  { request: BLOBS, times: 2, do: { kind: "hang", after: 1000 } },
];

systemTest("a pull that is killed leaves nothing once the next command has run", async (host) => {
  await using registry = await TestRegistry.start(host);
  await putImage(host, registry);
  await using proxy = await startFaultProxy(host, HANGING);
  const before = await snapshot(host);
  await using pull = host.spawnDhow(["pull", NAME]);
  await pull.stdout.until(/Downloading\n(.*\n)*.*Downloading\n/);
  const spooled = await host.shell("ls /var/lib/dhow/spool");
  assert(/^\d+\.\d+\.[0-9a-f-]+\.\w+\n$/.test(spooled), spooled);
  // whose it is can be seen: a command meanwhile leaves it alone
  assertSuccess(await host.dhow(["images", "-q"]));
  assertEquals(await host.shell("ls /var/lib/dhow/spool"), spooled);
  await pull.kill("KILL");
  await pull.output();
  assertSuccess(await host.dhow(["images", "-q"]));
  await sameAgain(host, before);
  await assertPulled(host);
  await proxy.kill("TERM");
});

systemTest("a pull that is interrupted cleans up by itself", async (host) => {
  await using registry = await TestRegistry.start(host);
  await putImage(host, registry);
  await using _ = await startFaultProxy(host, HANGING);
  for (const signal of ["INT", "TERM", "HUP"]) {
    const before = await snapshot(host);
    await using pull = host.spawnDhow(["pull", `${ADDRESS.replace("5000", "5001")}/app:1`]);
    await pull.stdout.until(/Downloading\n/);
    await pull.kill(signal);
    const { code, stderr } = await pull.output();
    assertEquals([code, new RegExp(`interrupted \\(SIG${signal}\\)`).test(stderr)], [1, true], stderr);
    await sameAgain(host, before);
  }
});
