import { assertEquals, assertThrows } from "@std/assert";
import { formatRows } from "../../../../src/cli/format/listing.ts";
import { parseFilters } from "../../../../src/cli/image/filters.ts";
import { chooseFormat, listImages } from "../../../../src/cli/image/list.ts";
import { imageRows, IMAGES } from "../../../../src/cli/image/rows.ts";
import { ImageError, UsageError } from "../../../../src/errors.ts";
import { id, type Sample, sample } from "./sample.ts";

const DIGESTS = [`app@${id("d")}`, `team/app@${id("e")}`];
const SAMPLES: readonly Sample[] = [
  sample("a", {
    created: "2024-01-01T00:00:00Z",
    tags: ["app:1", "app:2", "team/app:latest"],
    labels: { x: "1", y: "" },
  }),
  sample("b", {
    created: "2024-01-03T00:00:00Z",
    tags: ["box:latest"],
    labels: { x: "2" },
    digests: DIGESTS,
  }),
  sample("c", { created: "2024-01-02T00:00:00Z", labels: ["odd"] }),
  sample("f", { created: "not a time", tags: ["example.com:5000/team/web:v1"] }),
];

const store = {
  list: () => SAMPLES.slice(),
  get(name: string) {
    const found = SAMPLES.find(({ id, tags }) => id.includes(name) || tags.includes(name));
    if (found === undefined) throw new ImageError({ what: "No such image", why: name });
    return found;
  },
};

const KNOWN = ["before", "dangling", "label", "reference", "since"];
const list = (...filters: string[]) => listImages(store, parseFilters(filters, KNOWN));
const letters = (...filters: string[]) => list(...filters).map(({ id }) => id.at(-1)).join("");

const CASES: readonly [filters: string[], letters: string][] = [
  [[], "bcaf"],
  [["dangling=true"], "c"],
  [["dangling=1"], "c"],
  [["dangling=false"], "baf"],
  [["label=x"], "ba"],
  [["label=x=1"], "a"],
  [["label=x=3"], ""],
  [["label=x=1", "label=y"], "a"],
  [["label=y="], "a"],
  [["label=constructor"], ""],
  [["before=box:latest"], "caf"],
  [["since=app:1"], "bc"],
  [["since=app:1", "before=box:latest"], "c"],
  [["before=box:latest", "before=app:1"], "f"],
  [["reference=app"], "ba"],
  [["reference=app:1"], "a"],
  [["reference=a*"], "ba"],
  [["reference=a*:?"], "a"],
  [["reference=*/app"], "ba"],
  [["reference=*"], "ba"],
  [["reference=box", "reference=app:2"], "ba"],
  [["reference=example.com:5000/*/*"], "f"],
  [["reference=app:1", "label=x=2"], ""],
  [[" Reference = box "], "b"],
];

for (const [filters, expected] of CASES) {
  Deno.test(`images filtered by ${JSON.stringify(filters)} are those that docker lists, newest first`, () => {
    assertEquals(letters(...filters), expected);
  });
}

Deno.test("a name that a pattern does not fit is not listed with its image", () => {
  assertEquals(list("reference=app:1").map(({ tags }) => tags), [["app:1"]]);
  assertEquals(list("reference=team/app").map(({ tags, digests }) => [tags, digests]), [
    [[], [DIGESTS[1]!]],
    [["team/app:latest"], []],
  ]);
});

for (
  const [filters, said] of [
    [["foo"], "bad format of filter (expected name=value)"],
    [["foo=bar"], "invalid filter 'foo'"],
    [["until=1h"], "invalid filter 'until'"],
    [["dangling=x"], "invalid filter 'dangling=[x]'"],
    [["dangling=true", "dangling=false"], "invalid filter 'dangling=[true false]'"],
  ] as const
) {
  Deno.test(`the filters ${JSON.stringify(filters)} are refused in docker's words`, () => {
    assertThrows(() => list(...filters), UsageError, said);
  });
}

Deno.test("a filter that names an image that is not there, or a broken pattern, is refused", () => {
  assertThrows(() => list("before=nope"), ImageError, "No such image: nope");
  assertThrows(() => list("reference=a["), ImageError, "syntax error in pattern");
});

const NOW = Date.parse("2024-02-01T00:00:00Z");

function rows(format: string, { quiet = false, digests = false, truncate = true } = {}): string {
  const chosen = chooseFormat(format, quiet, digests);
  const how = { truncate, digests, now: NOW };
  return formatRows(IMAGES, list().flatMap((image) => imageRows(image, chosen, how)), chosen);
}

Deno.test("each name of an image has a row; one without names has <none>", () => {
  assertEquals(
    rows(""),
    [
      "REPOSITORY                  TAG       IMAGE ID       CREATED       SIZE",
      "box                         latest    bbbbbbbbbbbb   4 weeks ago   1.98MB",
      "app                         <none>    bbbbbbbbbbbb   4 weeks ago   1.98MB",
      "team/app                    <none>    bbbbbbbbbbbb   4 weeks ago   1.98MB",
      "<none>                      <none>    cccccccccccc   4 weeks ago   1.98MB",
      "app                         1         aaaaaaaaaaaa   4 weeks ago   1.98MB",
      "app                         2         aaaaaaaaaaaa   4 weeks ago   1.98MB",
      "team/app                    latest    aaaaaaaaaaaa   4 weeks ago   1.98MB",
      "example.com:5000/team/web   v1        ffffffffffff   N/A           1.98MB",
      "",
    ].join("\n"),
  );
});

Deno.test("--digests shows the digest of a name's repository, and one without a tag as a row of its own", () => {
  const table = rows("{{.Repository}} {{.Tag}} {{.Digest}}", { digests: true }).split("\n");
  assertEquals(table.slice(0, 4), [
    "box latest <none>",
    `app <none> ${id("d")}`,
    `team/app <none> ${id("e")}`,
    "<none> <none> <none>",
  ]);
  assertEquals(rows("", { digests: true }).split(/ {2,}|\n/).slice(0, 6), [
    "REPOSITORY",
    "TAG",
    "DIGEST",
    "IMAGE ID",
    "CREATED",
    "SIZE",
  ]);
});

Deno.test("a tag has its repository's digests when a template asks for them", () => {
  const image = {
    ...list("reference=app:1")[0]!,
    digests: [`app@${id("1")}`, `app@${id("2")}`, `other@${id("3")}`],
  };
  const show = (format: string) =>
    formatRows(IMAGES, imageRows(image, format, { truncate: true, digests: false, now: NOW }), format);
  assertEquals(show("{{.Repository}} {{.Tag}}"), "app 1\nother <none>\n");
  assertEquals(show("{{.Tag}} {{.Digest}}"), `1 ${id("1")}\n1 ${id("2")}\n<none> \n`);
});

const FORMATS: readonly [args: [string, boolean, boolean], format: string][] = [
  [["", true, false], "{{.ID}}"],
  [["table", true, true], "{{.ID}}"],
  [["raw", true, false], "image_id: {{.ID}}"],
  [["{{.Tag}}", true, true], "{{.Tag}}"],
  [["table {{.ID}}", false, true], "table {{.ID}}\t{{.Digest}}"],
  [["table {{.Digest}}", false, true], "table {{.Digest}}"],
  [["json", false, false], "json"],
];

for (const [[format, quiet, digests], expected] of FORMATS) {
  Deno.test(`--format ${JSON.stringify(format)}, quiet: ${quiet}, digests: ${digests} is docker's choice`, () => {
    assertEquals(chooseFormat(format, quiet, digests), expected);
  });
}

Deno.test("ids are whole with --no-trunc, and raw has a line for each member", () => {
  assertEquals(rows("", { quiet: true, truncate: false }).split("\n")[0], id("b"));
  const [first] = rows("raw").split("\n\n");
  assertEquals(first?.split("\n").map((line) => line.split(":")[0]), [
    "repository",
    "tag",
    "image_id",
    "created_at",
    "virtual_size",
  ]);
});
