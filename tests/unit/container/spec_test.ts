import { assert, assertEquals, assertThrows } from "@std/assert";
import type { RunOptions } from "../../../src/container/options.ts";
import { shortId } from "../../../src/container/spec.ts";
import { ImageError } from "../../../src/errors.ts";
import type { ImageConfig } from "../../../src/image/config.ts";
import { ID, IDS, sampleSpec } from "./sample.ts";

const args = (config: Partial<ImageConfig>, options: Partial<RunOptions> = {}) =>
  sampleSpec({ config, options }).process.args;
const env = (config: readonly string[], options: Partial<RunOptions> = {}) =>
  sampleSpec({ config: { env: config }, options }).process.env;

Deno.test("without words after IMAGE, the image's entrypoint and command run together", () => {
  assertEquals(args({ entrypoint: ["/init", "-v"], cmd: ["serve"] }), ["/init", "-v", "serve"]);
  assertEquals(args({ entrypoint: [], cmd: ["sh", "-c", "true"] }), ["sh", "-c", "true"]);
  assertEquals(args({ entrypoint: ["/init"], cmd: [] }), ["/init"]);
});

Deno.test("words after IMAGE replace the image's command and keep its entrypoint", () => {
  assertEquals(args({ entrypoint: ["/init"], cmd: ["serve"] }, { command: ["check", ""] }), [
    "/init",
    "check",
    "",
  ]);
});

Deno.test("--entrypoint replaces the image's entrypoint and its command", () => {
  assertEquals(args({ entrypoint: ["/init"], cmd: ["serve"] }, { entrypoint: "/bin/sh" }), ["/bin/sh"]);
  const options = { entrypoint: "/bin/sh", command: ["-c", "true"] };
  assertEquals(args({ entrypoint: ["/init"], cmd: ["serve"] }, options), ["/bin/sh", "-c", "true"]);
});

Deno.test("an empty --entrypoint takes the image's away", () => {
  assertEquals(args({ entrypoint: ["/init"], cmd: ["serve"] }, { entrypoint: "", command: ["ls"] }), ["ls"]);
});

Deno.test("an image without a command is refused unless one is given", () => {
  assertThrows(() => args({ entrypoint: [], cmd: [] }), ImageError, '"sample"');
  assertThrows(() => args({ entrypoint: ["/init"], cmd: ["serve"] }, { entrypoint: "" }), ImageError);
  assertThrows(() => args({ entrypoint: [], cmd: [""] }), ImageError);
  assertEquals(args({ entrypoint: [], cmd: [] }, { command: ["ls"] }), ["ls"]);
});

Deno.test("a program finds PATH, HOSTNAME and HOME even if nobody set them", () => {
  const found = env([]);
  assert(found.some((entry) => /^PATH=.*\/bin/.test(entry)));
  assert(found.includes(`HOSTNAME=${shortId(ID)}`));
  assert(found.includes("HOME=/root"));
});

Deno.test("the image's variables win over the defaults, and the command line's over both", () => {
  const found = env(["PATH=/img", "A=image", "B=image", "HOME=/img"], { env: ["A=user", "C=user"] });
  for (const entry of ["PATH=/img", "A=user", "B=image", "C=user", "HOME=/img"]) {
    assert(found.includes(entry), entry);
  }
});

Deno.test("no variable is set twice", () => {
  const found = env(["A=1", "A=2", "PATH=/img"], { env: ["A=3", "A=4", "HOME=/x"] });
  const names = found.map((entry) => entry.split("=")[0]);
  assertEquals(new Set(names).size, names.length);
  assert(found.includes("A=4"));
});

Deno.test("a value may hold anything, equals signs too, and may be empty", () => {
  const found = env(["A=b=c=", "EMPTY=", "QUOTE='\"$(x)\n"]);
  for (const entry of ["A=b=c=", "EMPTY=", "QUOTE='\"$(x)\n"]) assert(found.includes(entry), entry);
});

Deno.test("what is not NAME=VALUE in an image is not a variable", () => {
  for (const entry of ["NOTHING", "", "=value"]) {
    let found: readonly string[] = [];
    try {
      found = env(["A=1", entry]);
    } catch (error) {
      assert(error instanceof ImageError); // refusing the image is as good
    }
    assert(!found.includes(entry), JSON.stringify(entry));
  }
});

Deno.test("TERM is set with a terminal only, and the image's or the caller's wins", () => {
  assert(!env([]).some((entry) => entry.startsWith("TERM=")));
  assert(env([], { terminal: true }).includes("TERM=xterm"));
  assert(env(["TERM=vt100"], { terminal: true }).includes("TERM=vt100"));
  assert(env([], { terminal: true, env: ["TERM=screen"] }).includes("TERM=screen"));
});

Deno.test("HOME is the home of the user that the program runs as", () => {
  const { process } = sampleSpec({ user: { uid: 1000, gid: 1000, home: "/home/app" } });
  assert(process.env.includes("HOME=/home/app"));
  assertEquals(process.user, { uid: 1000, gid: 1000, additionalGids: [] });
});

Deno.test("the working directory is the option's, else the image's, else the root", () => {
  const cwd = (workingDir: string, option?: string) =>
    sampleSpec({ config: { workingDir }, options: { workingDir: option } }).process.cwd;
  assertEquals(cwd(""), "/");
  assertEquals(cwd("/app"), "/app");
  assertEquals(cwd("/app", "/elsewhere"), "/elsewhere");
});

Deno.test("the host name is the short id, or what was asked for, and HOSTNAME says the same", () => {
  assertEquals(sampleSpec().hostname, ID.slice(0, 12));
  const spec = sampleSpec({ options: { hostname: "web1" } });
  assertEquals(spec.hostname, "web1");
  assert(spec.process.env.includes("HOSTNAME=web1"));
});

Deno.test("a container has every namespace of its own but the user's, unless told otherwise", () => {
  const types = (options: Partial<RunOptions>) =>
    sampleSpec({ options }).linux.namespaces.map(({ type }) => type).toSorted();
  const usual = ["cgroup", "ipc", "mount", "network", "pid", "uts"];
  assertEquals(types({}), usual);
  assertEquals(types({ network: "none" }), usual);
  assertEquals(types({ network: "host" }), usual.filter((type) => type !== "network"));
  assertEquals(types({ userNamespace: true }), [...usual, "user"].toSorted());
});

Deno.test("with ids of its own a container has those groups that are among them", () => {
  const options = { userNamespace: true, ids: IDS };
  const { process, linux } = sampleSpec({ options, user: { uid: 7, additionalGids: [10, 999, 1000] } });
  assertEquals(process.user.additionalGids, [10, 999]);
  assertEquals([linux.uidMappings, linux.gidMappings], [IDS.uids, IDS.gids]);
  assertEquals(linux.sysctl["net.ipv4.ping_group_range"], "0 999");
});

Deno.test("the caller is root in a user namespace, and nobody is mapped without one", () => {
  const { linux } = sampleSpec({ options: { userNamespace: true } });
  assertEquals(linux.uidMappings, [{ containerID: 0, hostID: 0, size: 1 }]);
  assertEquals(linux.gidMappings, [{ containerID: 0, hostID: 0, size: 1 }]);
  assertEquals(sampleSpec().linux.uidMappings, []);
});

Deno.test("kernel settings are changed in a network namespace of the container's own, never in the host's", () => {
  assert(Object.keys(sampleSpec().linux.sysctl).length > 0);
  assertEquals(sampleSpec({ options: { network: "host" } }).linux.sysctl, {});
  for (const key of Object.keys(sampleSpec().linux.sysctl)) assert(key.startsWith("net."), key);
});

Deno.test("the specification is plain data, which survives being written down as JSON", () => {
  const spec = sampleSpec({ options: { terminal: true, userNamespace: true } });
  assertEquals(JSON.parse(JSON.stringify(spec)), spec);
});
