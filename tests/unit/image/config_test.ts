import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { ImageError } from "../../../src/errors.ts";
import { assertRunnableHere, parseImageConfig } from "../../../src/image/config.ts";

const DIFF_ID = `sha256:${"0a".repeat(32)}`;

function parse(document: unknown) {
  return parseImageConfig(JSON.stringify(document), "the config");
}

/** A config with something in it that is different. */
function withMembers(members: Record<string, unknown>, process: Record<string, unknown> = {}) {
  return {
    architecture: "amd64",
    os: "linux",
    config: process,
    rootfs: { type: "layers", diff_ids: [DIFF_ID] },
    ...members,
  };
}

Deno.test("a docker image's config is read", () => {
  const config = parse({
    architecture: "arm64",
    variant: "v8",
    os: "linux",
    created: "2024-05-06T07:08:09.123Z",
    config: {
      Env: ["PATH=/bin", "A=b=c"],
      Entrypoint: ["/entry"],
      Cmd: ["x", "y"],
      WorkingDir: "/work",
      User: "app:staff",
      ExposedPorts: { "80/tcp": {}, "53/udp": {} },
      StopSignal: "SIGQUIT",
    },
    rootfs: { type: "layers", diff_ids: [DIFF_ID] },
    history: [],
  });
  assertEquals(config, {
    architecture: "arm64",
    variant: "v8",
    os: "linux",
    created: "2024-05-06T07:08:09.123Z",
    env: ["PATH=/bin", "A=b=c"],
    entrypoint: ["/entry"],
    cmd: ["x", "y"],
    workingDir: "/work",
    user: "app:staff",
    exposedPorts: ["80/tcp", "53/udp"],
    stopSignal: "SIGQUIT",
    diffIds: [DIFF_ID],
  });
});

Deno.test("what a config leaves out, or has as null, is empty", () => {
  const expected = {
    architecture: "amd64",
    os: "linux",
    env: [],
    entrypoint: [],
    cmd: [],
    workingDir: "",
    user: "",
    exposedPorts: [],
    diffIds: [DIFF_ID],
  };
  assertEquals(parse(withMembers({ config: null })), expected);
  assertEquals(
    parse(withMembers({ created: null }, { Env: null, Cmd: null, User: null, ExposedPorts: null })),
    expected,
  );
});

for (
  const [what, document, why] of [
    ["is a list", [], "it is not an object"],
    ["is null", null, "it is not an object"],
    ["has no operating system", withMembers({ os: undefined }), "os is missing"],
    ["is for another operating system", withMembers({ os: "windows" }), 'it is for "windows", not for linux'],
    ["has no architecture", withMembers({ architecture: "" }), "architecture is missing"],
    ["has no layers", withMembers({ rootfs: undefined }), "rootfs.diff_ids is missing"],
    ["has an empty list of layers", withMembers({ rootfs: { diff_ids: [] } }), "rootfs.diff_ids is missing"],
    [
      "has a layer without a digest",
      withMembers({ rootfs: { diff_ids: ["sha256:../.."] } }),
      "no sha256 digest",
    ],
    ["has a digest of another kind", withMembers({ rootfs: { diff_ids: ["md5:0"] } }), "no sha256 digest"],
    ["has too many layers", withMembers({ rootfs: { diff_ids: Array(501).fill(DIFF_ID) } }), "501 layers"],
    [
      "has a root file system of another kind",
      withMembers({ rootfs: { type: "x", diff_ids: [DIFF_ID] } }),
      "rootfs.type",
    ],
    ["has text for a list", withMembers({}, { Env: "A=b" }), "it.config.Env is not a list"],
    ["has a number in a list", withMembers({}, { Cmd: ["a", 1] }), "config.Cmd is not a list of strings"],
    ["has an object for text", withMembers({}, { User: {} }), "config.User is not a string"],
    ["has a NUL in an argument", withMembers({}, { Cmd: ["a\0b"] }), "without NUL"],
    ["has a NUL in a path", withMembers({}, { WorkingDir: "/a\0b" }), "NUL"],
    ["has a list for an object", withMembers({}, { ExposedPorts: ["80"] }), "ExposedPorts is not an object"],
  ] as [string, unknown, string][]
) {
  Deno.test(`a config is refused that ${what}`, () => {
    const error = assertThrows(() => parse(document), ImageError);
    assertStringIncludes(error.message, "cannot use the config: ");
    assertStringIncludes(error.message, why.replace("it.config", "config"));
  });
}

Deno.test("a config is refused that is not JSON", () => {
  assertThrows(
    () => parseImageConfig("{", "the config"),
    ImageError,
    "cannot use the config: it is not JSON",
  );
});

Deno.test("an image for another CPU is not run, and the error names both", () => {
  const [here, other] = Deno.build.arch === "aarch64" ? ["arm64", "amd64"] : ["amd64", "arm64"];
  assertRunnableHere(parse(withMembers({ architecture: here })), "box");
  assertThrows(
    () => assertRunnableHere(parse(withMembers({ architecture: other, variant: "v8" })), "box"),
    ImageError,
    `cannot run image "box": it is for linux/${other}/v8, this machine is linux/${here}`,
  );
});
