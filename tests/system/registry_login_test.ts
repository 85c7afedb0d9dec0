import { assert, assertEquals, assertMatch } from "@std/assert";
import { assertFailure, assertSuccess } from "../support/containers.ts";
import { eventually } from "../support/eventually.ts";
import { DHOW, type Host } from "../support/host.ts";
import { busyboxArchive } from "../support/images.ts";
import { ADDRESS, PASSWORD, TestRegistry, USER } from "../support/registry.ts";
import { systemTest } from "../support/system_test.ts";
import { KEYS, Terminal } from "../support/terminal.ts";

const CREDENTIALS = ["--dest-creds", `${USER}:${PASSWORD}`];

/** Docker's config of the host's own, as text. */
class Config {
  constructor(readonly host: Host) {}

  get env(): { DOCKER_CONFIG: string } {
    return { DOCKER_CONFIG: this.host.file("docker") };
  }

  get path(): string {
    return this.host.path(this.host.file("docker/config.json"));
  }

  read(): Record<string, unknown> {
    return JSON.parse(Deno.readTextFileSync(this.path));
  }

  write(document: unknown): void {
    Deno.mkdirSync(this.host.path(this.host.file("docker")), { recursive: true });
    Deno.writeTextFileSync(this.path, JSON.stringify(document));
  }

  dhow(args: readonly string[], stdin?: string) {
    return this.host.dhow(args, { env: this.env, ...(stdin === undefined ? {} : { stdin }) });
  }

  login(password = PASSWORD, ...args: string[]) {
    return this.dhow(["login", "-u", USER, "--password-stdin", ADDRESS, ...args], `${password}\n`);
  }
}

systemTest("with a password: login, pull, logout, and no pull after that", async (host) => {
  await using registry = await TestRegistry.start(host, { auth: "basic" });
  await registry.put(await busyboxArchive(), "app:1", ...CREDENTIALS);
  const config = new Config(host);
  const refused = await config.dhow(["pull", "-q", `${ADDRESS}/app:1`]);
  assertFailure(refused, 1, /401 \(unauthorized: authentication required\).*dhow login 127\.0\.0\.1:5000$/m);
  assertFailure(
    await config.login("wrong"),
    1,
    /^dhow: cannot log in to 127\.0\.0\.1:5000: .*401.*; check the username/,
  );
  config.write({ HttpHeaders: { kept: "yes" } });
  const login = await config.login();
  assertEquals([login.code, login.stdout], [0, "Login Succeeded\n"]);
  assert(
    /^dhow: warning: your password is stored unencrypted in .*config\.json; /.test(login.stderr),
    login.stderr,
  );
  assertEquals(config.read(), {
    HttpHeaders: { kept: "yes" },
    auths: { [ADDRESS]: { auth: btoa(`${USER}:${PASSWORD}`) } },
  });
  assertEquals(Deno.statSync(config.path).mode! & 0o777, 0o600);
  assertSuccess(await config.dhow(["pull", `${ADDRESS}/app:1`]));
  const again = await config.dhow(["login", `http://${ADDRESS}/v2/`]);
  assertEquals(
    [again.code, again.stdout, again.stderr],
    [0, "Authenticating with existing credentials...\nLogin Succeeded\n", ""],
  );
  const logout = await config.dhow(["logout", ADDRESS]);
  assertEquals([logout.code, logout.stdout], [0, `Removing login credentials for ${ADDRESS}\n`]);
  assertEquals((await config.dhow(["logout", ADDRESS])).stdout, `Not logged in to ${ADDRESS}\n`);
  assertEquals(config.read(), { HttpHeaders: { kept: "yes" }, auths: {} });
  assertEquals((await config.dhow(["pull", "-q", `${ADDRESS}/app:1`])).code, 1);
});

systemTest("what skopeo and docker's config.json know of a login, dhow knows too", async (host) => {
  await using registry = await TestRegistry.start(host, { auth: "basic" });
  await registry.put(await busyboxArchive(), "app:1", ...CREDENTIALS);
  const config = new Config(host);
  config.write({});
  const file = host.file("docker/config.json");
  await host.succeed([
    "skopeo",
    "login",
    "--tls-verify=false",
    "--authfile",
    file,
    "-u",
    USER,
    "-p",
    PASSWORD,
    ADDRESS,
  ]);
  assertSuccess(await config.dhow(["pull", `${ADDRESS}/app:1`]));
  config.write({});
  assertEquals((await config.login()).code, 0);
  const inspect = [
    "skopeo",
    "inspect",
    "--tls-verify=false",
    "--authfile",
    file,
    `docker://${ADDRESS}/app:1`,
  ];
  assertEquals(JSON.parse(await host.succeed(inspect)).Name, `${ADDRESS}/app`);
});

systemTest(
  "with tokens: public images for everybody, others after a login, whose password is not kept",
  async (host) => {
    await using registry = await TestRegistry.start(host, { auth: "token" });
    await registry.put(await busyboxArchive(), "public/app:1", ...CREDENTIALS);
    await registry.put(await busyboxArchive(), "private/app:1", ...CREDENTIALS);
    const config = new Config(host);
    const asked = registry.tokenRequests.length;
    assertSuccess(await config.dhow(["pull", `${ADDRESS}/public/app:1`]));
    assertEquals(registry.tokenRequests.slice(asked), ["GET null repository:public/app:pull"]);
    assertFailure(await config.dhow(["pull", "-q", `${ADDRESS}/private/app:1`]), 1, /401/, /dhow login/);
    assertFailure(await config.login("wrong"), 1, /401/);
    const login = await config.login();
    assertEquals([login.code, login.stdout], [0, "Login Succeeded\n"]);
    assertEquals(config.read(), {
      auths: { [ADDRESS]: { auth: btoa("<token>:"), identitytoken: "identity-of-ann" } },
    });
    const before = registry.tokenRequests.length;
    assertSuccess(await config.dhow(["pull", `${ADDRESS}/private/app:1`]));
    assertEquals(registry.tokenRequests.slice(before), ["POST refresh_token repository:private/app:pull"]);
  },
);

/** A helper that keeps what it is told in a file, and writes down each call. */
const HELPER = `#!/bin/sh
cd "$(dirname "$0")"
echo "$1" >>calls
case "$1" in
  store) cat >kept ;;
  get) cat >server; [ -e kept ] && cat kept || { echo "credentials not found in native keychain"; exit 1; } ;;
  erase) cat >server; rm -f kept ;;
esac
`;

systemTest("a credential helper keeps the password, and config.json does not", async (host) => {
  await using registry = await TestRegistry.start(host, { auth: "basic" });
  await registry.put(await busyboxArchive(), "app:1", ...CREDENTIALS);
  const config = new Config(host);
  await host.write("docker-credential-test", HELPER, 0o755);
  const env = { ...config.env, PATH: `${host.file("")}:/usr/sbin:/usr/bin:/sbin:/bin` };
  const dhow = (args: string[], stdin = "") => host.dhow(args, { env, stdin });
  for (
    const document of [{ credsStore: "test" }, { credsStore: "other", credHelpers: { [ADDRESS]: "test" } }]
  ) {
    config.write(document);
    const login = await dhow(["login", "-u", USER, "--password-stdin", ADDRESS], PASSWORD);
    assertEquals([login.code, login.stdout, login.stderr], [0, "Login Succeeded\n", ""]);
    assertEquals(config.read(), { ...document, auths: { [ADDRESS]: {} } });
    const kept = JSON.parse(await Deno.readTextFile(host.path(host.file("kept"))));
    assertEquals(kept, { ServerURL: ADDRESS, Username: USER, Secret: PASSWORD });
    assertSuccess(await dhow(["pull", `${ADDRESS}/app:1`]));
    assertEquals((await dhow(["logout", ADDRESS])).stdout, `Removing login credentials for ${ADDRESS}\n`);
    assertEquals(config.read(), { ...document, auths: {} });
    assertEquals((await dhow(["pull", "-q", `${ADDRESS}/app:1`])).code, 1);
  }
});

systemTest("a helper that cannot be used is told, and only what needs a login fails for it", async (host) => {
  await using registry = await TestRegistry.start(host, { auth: "token" });
  await registry.put(await busyboxArchive(), "public/app:1", ...CREDENTIALS);
  await registry.put(await busyboxArchive(), "private/app:1", ...CREDENTIALS);
  const config = new Config(host);
  for (
    const [credsStore, why] of [
      [
        "not-there",
        /^dhow: warning: .*docker-credential-not-there: there is no such program; .* without a login$/m,
      ],
      ["../host/files/test", /^dhow: warning: .*its name may not hold/m],
    ] as const
  ) {
    config.write({ credsStore });
    const pulled = await config.dhow(["pull", "-q", `${ADDRESS}/public/app:1`]);
    assertEquals([pulled.code, pulled.stdout], [0, `${ADDRESS}/public/app:1\n`]);
    assertMatch(pulled.stderr, why);
    const refused = await config.dhow(["pull", "-q", `${ADDRESS}/private/app:1`]);
    assertEquals(refused.code, 1);
    assertMatch(refused.stderr, why);
    assertMatch(refused.stderr, /answers 401 .*dhow login/);
    assertFailure(await config.login(), 1, /with docker-credential-/);
  }
});

systemTest(
  "at a terminal the name and the password are asked for, and the password is not shown",
  async (host) => {
    await using _ = await TestRegistry.start(host, { auth: "basic" });
    const config = new Config(host);
    const argv = ["env", `DOCKER_CONFIG=${config.env.DOCKER_CONFIG}`, DHOW, "login", ADDRESS];
    await using terminal = new Terminal(host, argv);
    const before = await terminal.modes();
    await terminal.see(/Username: $/);
    await terminal.type(`${USER}${KEYS.enter}`, /Password: $/);
    await terminal.type(`wrong\x7f\x7f\x7f\x7f\x7f${PASSWORD}é\x7f${KEYS.enter}`, /Login Succeeded/);
    assertEquals(await terminal.exitCode(), 0);
    assertEquals(await terminal.modes(), before);
    assert(!terminal.screen.includes("se cret") && !terminal.screen.includes("wrong"), terminal.screen);
    assertEquals(config.read().auths, { [ADDRESS]: { auth: btoa(`${USER}:${PASSWORD}`) } });
  },
);

systemTest("control-C while the password is typed leaves the terminal as it was", async (host) => {
  await using terminal = new Terminal(host, [DHOW, "login", "-u", USER, ADDRESS]);
  const before = await terminal.modes();
  await terminal.see(/Password: $/);
  await terminal.type(`sec${KEYS.controlC}`, /interrupted \(SIGINT\)/);
  assertEquals(await terminal.exitCode(), 1);
  assertEquals(await terminal.modes(), before);
});

systemTest("a login that waits for a password on standard input can be interrupted", async (host) => {
  await using login = host.spawnDhow(["--debug", "login", "-u", USER, "--password-stdin", ADDRESS]);
  const pid = await login.hostPid();
  // it listens for signals by the time that it reads
  const caught = () =>
    /SigCgt:\s*[0-9a-f]*[2367abef]\n/.test(Deno.readTextFileSync(host.path(`/proc/${pid}/status`)));
  await eventually(() => assert(caught()));
  await login.kill("INT");
  await login.stderr.until(/interrupted \(SIGINT\)/);
  assertEquals((await login.output()).code, 1);
});

systemTest("a login that cannot be asked for is a mistake in one line", async (host) => {
  for (
    const [args, code, said] of [
      [[ADDRESS], 1, /standard input is not a terminal/],
      [["--password-stdin", ADDRESS], 1, /--password-stdin needs a name/],
      [["-u", USER, "--password-stdin", ADDRESS], 1, /there is no password/],
      [["a b"], 1, /"a b" is no registry's name/],
      [["a", "b"], 1, /at most one argument/],
    ] as const
  ) {
    assertFailure(await host.dhow(["login", ...args]), code, said);
  }
  const both = await host.dhow(["login", "-u", USER, "-p", "x", "--password-stdin", ADDRESS]);
  assertEquals(both.code, 1);
  assert(
    /using --password is insecure/.test(both.stderr) && /exclude each other/.test(both.stderr),
    both.stderr,
  );
});
