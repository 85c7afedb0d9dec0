import { assertEquals } from "@std/assert";
import { describeImage } from "../../../../src/cli/image/details.ts";
import { inspect } from "../../../../src/cli/format/inspect.ts";
import { ImageError } from "../../../../src/errors.ts";
import { id, sample } from "./sample.ts";

function show(config: unknown, format = ""): string {
  const image = { ...sample("a", { tags: ["box:latest"] }), configText: JSON.stringify(config) };
  return inspect(["box"], format, () => describeImage(image)).text;
}

Deno.test("an image whose config says nothing has docker's members all the same, in docker's order", () => {
  const [image] = JSON.parse(show({})) as [Record<string, unknown>];
  assertEquals(Object.keys(image), [
    "Id",
    "RepoTags",
    "RepoDigests",
    "Parent",
    "Comment",
    "Created",
    "Container",
    "ContainerConfig",
    "DockerVersion",
    "Author",
    "Config",
    "Architecture",
    "Os",
    "Size",
    "VirtualSize",
    "GraphDriver",
    "RootFS",
    "Metadata",
  ]);
  assertEquals([image.Id, image.Config, image.RepoDigests, image.Created], [
    id("a"),
    null,
    [],
    "0001-01-01T00:00:00Z",
  ]);
  assertEquals(image.RootFS, { Type: "layers", Layers: [id("0")] });
});

Deno.test("an image without a comment of its own has that of its last step", () => {
  const history = [{ comment: "first" }, { comment: "last" }];
  assertEquals(show({ history }, "{{.Comment}}"), "last\n");
  assertEquals(show({ history, comment: "own" }, "{{.Comment}}"), "own\n");
  assertEquals(show({ history: [...history, {}] }, "{{.Comment}}"), "\n");
});

Deno.test("members that are empty are left out or null, as docker has each", () => {
  const [{ Config }] = JSON.parse(
    show({ config: { Env: [], Cmd: null, Labels: {}, Shell: [], ExposedPorts: {} } }),
  );
  assertEquals([Config.Env, Config.Cmd, Config.Labels, Config.Volumes], [[], null, {}, null]);
  for (const name of ["Shell", "ExposedPorts", "Healthcheck", "StopSignal", "StopTimeout", "MacAddress"]) {
    assertEquals(Object.hasOwn(Config, name), false, name);
  }
});

Deno.test("what is of the wrong type in a config counts as absent", () => {
  const odd = {
    author: ["x"],
    created: 5,
    config: {
      User: {},
      Env: ["A=1", 2],
      Cmd: "sh",
      Tty: "yes",
      Labels: { a: 1, b: "2" },
      Volumes: ["/x"],
      ExposedPorts: "80",
      Healthcheck: { Test: "x", Interval: "1s", Retries: 1.5 },
      StopTimeout: 1e400,
    },
  };
  assertEquals(
    show(
      odd,
      "{{.Author}}|{{.Created}}|{{json .Config.User}}|{{json .Config.Env}}|{{json .Config.Cmd}}|{{.Config.Tty}}|{{.Config.Labels}}",
    ),
    '|0001-01-01T00:00:00Z|""|null|null|false|map[a: b:2]\n',
  );
  assertEquals(
    show(
      odd,
      "{{json .Config.Volumes}}|{{.Config.ExposedPorts}}|{{json .Config.Healthcheck}}|{{.Config.StopTimeout}}",
    ),
    "null|map[]|{}|<nil>\n",
  );
});

for (const config of [null, 1, "x", [], { config: [] }, { config: { __proto__: null } }]) {
  Deno.test(`a config that is ${JSON.stringify(config)} is shown without complaint`, () => {
    assertEquals(show(config, "{{.ID}}"), `${id("a")}\n`);
  });
}

Deno.test("names of every JavaScript object are labels like others", () => {
  const labels = JSON.parse('{"__proto__": "a", "constructor": "b", "10": "c", "9": "d"}');
  assertEquals(
    show({ config: { Labels: labels } }, "{{json .Config.Labels}}"),
    '{"10":"c","9":"d","__proto__":"a","constructor":"b"}\n',
  );
});

Deno.test("several names are a list, or a line each; what is missing is told after it", () => {
  const find = (name: string) => {
    if (name === "nope") throw new ImageError({ what: "No such image", why: name });
    return describeImage({ ...sample(name), configText: "{}" });
  };
  assertEquals(inspect(["a", "nope", "b"], "{{.ID}}", find).text, `${id("a")}\n${id("b")}\n`);
  assertEquals(JSON.parse(inspect(["a", "b"], "", find).text).length, 2);
  assertEquals(JSON.parse(inspect(["a", "b"], "json", find).text).length, 2);
  assertEquals(inspect(["a"], "json", find).text.split("\n").length, 2);
  const { text, errors } = inspect(["nope"], "", find);
  assertEquals([text, errors.map(({ message }) => message)], ["[]\n", ["No such image: nope"]]);
  assertEquals(inspect(["nope"], "{{.ID}}", find).text, "\n");
});
