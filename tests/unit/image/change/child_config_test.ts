import { assertEquals, assertThrows } from "@std/assert";
import { ImageError } from "../../../../src/errors.ts";
import { childConfig, layerConfig } from "../../../../src/image/change/child_config.ts";
import { parseImageConfig } from "../../../../src/image/config.ts";

const OLD = `sha256:${"1".repeat(64)}`;
const NEW = `sha256:${"2".repeat(64)}`;
const TIME = "2025-01-02T03:04:05.678Z";

const PARENT = {
  architecture: "amd64",
  os: "linux",
  "os.version": "kept",
  author: "the parent's",
  container: "0123",
  container_config: { Cmd: ["x"] },
  created: "2020-01-01T00:00:00Z",
  config: { Cmd: ["sh"], Unknown: [1] },
  rootfs: { type: "layers", diff_ids: [OLD], base: "kept" },
  history: [{ created_by: "parent", unknown: true }],
};

Deno.test("a child has its parent's config, and one layer and one line of history more", () => {
  const text = childConfig(JSON.stringify(PARENT), {
    diffId: NEW,
    created: TIME,
    createdBy: "sh -c x",
    author: "me",
    comment: "why",
    changes: ["ENV A=1"],
  });
  assertEquals(JSON.parse(text), {
    architecture: "amd64",
    os: "linux",
    "os.version": "kept",
    author: "me",
    created: TIME,
    config: { Cmd: ["sh"], Unknown: [1], Env: ["A=1"] },
    rootfs: { type: "layers", diff_ids: [OLD, NEW], base: "kept" },
    history: [
      { created_by: "parent", unknown: true },
      { created: TIME, created_by: "sh -c x", author: "me", comment: "why" },
    ],
  });
  assertEquals(parseImageConfig(text, "it").env, ["A=1"]);
});

Deno.test("a child has its container's health check, and changes to it leave what they do not speak of", () => {
  const healthcheck = { Test: ["CMD", "a"], Interval: 5e9 };
  const of = (...changes: string[]) =>
    JSON.parse(childConfig(JSON.stringify(PARENT), { diffId: NEW, created: TIME, healthcheck, changes }))
      .config.Healthcheck;
  assertEquals(of(), healthcheck);
  assertEquals(of('HEALTHCHECK --retries=5 CMD ["b"]'), { Test: ["CMD", "b"], Interval: 5e9, Retries: 5 });
  assertEquals(of("HEALTHCHECK NONE"), { Test: ["NONE"], Interval: 5e9 });
});

Deno.test("a child without changes has its parent's layers, and says so", () => {
  const text = childConfig(JSON.stringify(PARENT), { diffId: undefined, created: TIME, changes: [] });
  const { rootfs, history, author } = JSON.parse(text);
  assertEquals([rootfs.diff_ids, history[1], author], [
    [OLD],
    { created: TIME, empty_layer: true },
    undefined,
  ]);
});

for (
  const [what, parts] of [["no config", { config: null }], ["a history that is none", {
    history: "long",
  }]] as const
) {
  Deno.test(`a parent with ${what} has children too`, () => {
    const parent = JSON.stringify({ ...PARENT, ...parts });
    const { config, history } = JSON.parse(
      childConfig(parent, { diffId: NEW, created: TIME, changes: ["CMD x"] }),
    );
    assertEquals([config.Cmd, history.at(-1)], [["/bin/sh", "-c", "x"], { created: TIME }]);
  });
}

Deno.test("an image of one layer has what was said about it, and no more", () => {
  const platform = { os: "linux", architecture: "arm64", variant: "v8" };
  const revision = { diffId: NEW, created: TIME, comment: "Imported from -", changes: ["CMD x"] };
  assertEquals(JSON.parse(layerConfig(platform, revision)), {
    os: "linux",
    architecture: "arm64",
    variant: "v8",
    created: TIME,
    config: { Cmd: ["/bin/sh", "-c", "x"] },
    rootfs: { type: "layers", diff_ids: [NEW] },
    history: [{ created: TIME, comment: "Imported from -" }],
  });
});

Deno.test("a config that nobody would read back is refused", () => {
  const changes = [`LABEL a=${"x".repeat(4 << 20)}`];
  const error = assertThrows(
    () => childConfig(JSON.stringify(PARENT), { diffId: NEW, created: TIME, changes }),
    ImageError,
  );
  assertEquals(/^cannot make the image's config: it would have \d+ characters/.test(error.message), true);
});

Deno.test("a config that is nested deeper than it can be written is refused", () => {
  const parent = JSON.stringify({ ...PARENT, odd: "DEEP" }).replace(
    '"DEEP"',
    "[".repeat(1e6) + "]".repeat(1e6),
  );
  const error = assertThrows(
    () => childConfig(parent, { diffId: NEW, created: TIME, changes: [] }),
    ImageError,
  );
  assertEquals(
    error.message,
    "cannot make the image's config: lists and objects are nested too deep in the parent's",
  );
});
