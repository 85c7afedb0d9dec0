import { assert, assertEquals, assertThrows } from "@std/assert";
import { HostError } from "../../../../src/errors.ts";
import { DockerConfig, domainOf } from "../../../../src/image/registry/docker_config.ts";

/** A folder with a config.json in it, or without. */
class Folder implements Disposable {
  readonly path = Deno.makeTempDirSync({ prefix: "dhow-unit-" });
  readonly file = `${this.path}/config.json`;

  constructor(text?: string) {
    if (text !== undefined) Deno.writeTextFileSync(this.file, text);
  }

  read(): DockerConfig {
    return DockerConfig.read((name) => name === "DOCKER_CONFIG" ? this.path : undefined);
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.path, { recursive: true });
  }
}

const ANN = btoa("ann:se:cret");
const ANN_LOGIN = { kind: "password", username: "ann", password: "se:cret" } as const;

for (
  const [auths, domain, expected] of [
    [{ "localhost:5000": { auth: ANN } }, "localhost:5000", ANN_LOGIN],
    [{ "https://localhost:5000/v2/": { auth: ANN } }, "localhost:5000", ANN_LOGIN],
    [{ "https://index.docker.io/v1/": { auth: ANN } }, "docker.io", ANN_LOGIN],
    [{ "docker.io": { auth: ANN } }, "docker.io", ANN_LOGIN],
    [{ a: { username: "ann", password: "se:cret" } }, "a", ANN_LOGIN],
    [{ a: { auth: btoa("ann:"), identitytoken: "token" } }, "a", { kind: "token", token: "token" }],
    [{ a: { auth: btoa("ann:padded\0\0") } }, "a", { kind: "password", username: "ann", password: "padded" }],
    [{ "http://a/x": { auth: btoa("old:old") }, a: { auth: ANN } }, "a", ANN_LOGIN],
    [{ a: {} }, "a", undefined],
    [{ a: null }, "a", undefined],
    [{ b: { auth: ANN } }, "a", undefined],
    [{}, "constructor", undefined],
    [undefined, "a", undefined],
  ] as const
) {
  Deno.test(`the login at ${domain} in ${JSON.stringify(auths)}`, () => {
    using folder = new Folder(JSON.stringify({ auths }));
    assertEquals<unknown>(folder.read().login(domain), expected);
  });
}

for (
  const [document, domain, expected] of [
    [{}, "a", undefined],
    [{ credsStore: "desktop" }, "a", "desktop"],
    [{ credsStore: "desktop", credHelpers: { a: "ecr" } }, "a", "ecr"],
    [{ credsStore: "desktop", credHelpers: { b: "ecr" } }, "a", "desktop"],
    [{ credHelpers: { "https://index.docker.io/v1/": "x" } }, "docker.io", "x"],
    [{ credHelpers: { "docker.io": "x" } }, "docker.io", "x"],
    [{ credHelpers: {} }, "constructor", undefined],
  ] as const
) {
  Deno.test(`the helper for ${domain} in ${JSON.stringify(document)} is ${expected}`, () => {
    using folder = new Folder(JSON.stringify(document));
    assertEquals<unknown>(folder.read().helper(domain), expected);
  });
}

Deno.test("a login is written for nobody else to read, and what else the file says stays", () => {
  using folder = new Folder(JSON.stringify({
    HttpHeaders: { A: "b" },
    auths: { "https://a:1/": { auth: "old" }, b: { auth: ANN } },
    credsStore: "",
  }));
  Deno.chmodSync(folder.file, 0o644);
  folder.read().withLogin("a:1", ANN_LOGIN).write();
  assertEquals(Deno.statSync(folder.file).mode! & 0o777, 0o600);
  assertEquals(JSON.parse(Deno.readTextFileSync(folder.file)), {
    HttpHeaders: { A: "b" },
    auths: { "a:1": { auth: ANN }, b: { auth: ANN } },
    credsStore: "",
  });
  assertEquals([...Deno.readDirSync(folder.path)].length, 1);
});

Deno.test("the first login makes the folder and the file", () => {
  using folder = new Folder();
  Deno.removeSync(folder.path);
  folder.read().withLogin("docker.io", { kind: "token", token: "t" }).write();
  assertEquals(Deno.statSync(folder.path).mode! & 0o777, 0o700);
  assertEquals(folder.read().login("docker.io"), { kind: "token", token: "t" });
  assertEquals(Object.keys(folder.read().document.auths as object), ["https://index.docker.io/v1/"]);
});

Deno.test("a file that is a link stays one", () => {
  using folder = new Folder();
  Deno.writeTextFileSync(`${folder.path}/real`, "{}");
  Deno.symlinkSync("real", folder.file);
  folder.read().withLogin("a", ANN_LOGIN).write();
  assert(Deno.lstatSync(folder.file).isSymlink);
  assertEquals(folder.read().login("a"), ANN_LOGIN);
});

Deno.test("logging out takes all the spellings of a registry away", () => {
  using folder = new Folder(
    JSON.stringify({ auths: { "https://a/": { auth: ANN }, a: { auth: ANN }, b: {} } }),
  );
  assert(folder.read().isLoggedIn("a"));
  folder.read().withoutLogin("a").write();
  assertEquals(JSON.parse(Deno.readTextFileSync(folder.file)), { auths: { b: {} } });
  assert(!folder.read().isLoggedIn("a"));
});

for (const text of ["", "[]", "null", "{", `"${"x".repeat(5 << 20)}"`]) {
  Deno.test(`${JSON.stringify(text.slice(0, 10))} is refused as a config.json, and left alone`, () => {
    using folder = new Folder(text);
    assertThrows(() => folder.read(), HostError, "config.json");
    assertEquals(Deno.readTextFileSync(folder.file), text);
  });
}

Deno.test("a login that cannot be understood is an error, not no login", () => {
  using folder = new Folder(JSON.stringify({ auths: { a: { auth: btoa("nocolon") } } }));
  assertThrows(() => folder.read().login("a"), HostError, "USER:PASSWORD in base64");
});

for (
  const [server, expected] of [
    ["localhost:5000", "localhost:5000"],
    ["https://example.com/v2/", "example.com"],
    ["http://example.com", "example.com"],
    ["https://index.docker.io/v1/", "docker.io"],
    ["registry-1.docker.io", "docker.io"],
  ] as const
) {
  Deno.test(`${server} means the registry ${expected}`, () => assertEquals(domainOf(server), expected));
}
