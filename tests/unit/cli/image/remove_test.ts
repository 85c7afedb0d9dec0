import { assertEquals } from "@std/assert";
import { parseFilters } from "../../../../src/cli/image/filters.ts";
import { type PrunableImages, pruneImages, type PruneOptions } from "../../../../src/cli/image/prune.ts";
import { linesOf, removeImages } from "../../../../src/cli/image/remove.ts";
import { ImageError } from "../../../../src/errors.ts";
import type { ImageUser, Removal, RemovalSubject } from "../../../../src/image/removal.ts";
import { id, type Sample, sample } from "./sample.ts";

/** Images in memory, each with one layer of ten bytes. */
class Images implements PrunableImages {
  readonly users = new Map<string, ImageUser[]>();
  #images: Sample[];

  constructor(...images: Sample[]) {
    this.#images = images;
  }

  list() {
    return this.#images.slice();
  }

  find(name: string) {
    return this.#images.find(({ id, tags, digests }) =>
      id.slice("sha256:".length).startsWith(name) || id === name || tags.includes(name) ||
      tags.includes(`${name}:latest`) || digests.includes(name)
    );
  }

  remove(name: string, decide: (subject: RemovalSubject) => Removal) {
    const image = this.find(name);
    if (image === undefined) throw new ImageError({ what: "No such image", why: name });
    const { untag, removesImage } = decide({ ...image, users: this.users.get(image.id) ?? [] });
    const others = this.#images.filter((each) => each !== image);
    const tags = image.tags.filter((tag) => !untag.includes(tag));
    const digests = image.digests.filter((digest) => !untag.includes(digest));
    this.#images = removesImage ? others : [...others, { ...image, tags, digests }];
    return {
      untagged: untag,
      image: removesImage ? image.id : undefined,
      layers: removesImage ? [{ chainId: image.config.diffIds[0]!, size: 10 }] : [],
    };
  }
}

const box = () =>
  sample("a", { tags: ["box:1", "box:latest"], created: "2024-01-01T00:00:00Z", labels: { keep: "1" } });
const bare = () => sample("b", { created: "2024-01-02T00:00:00Z" });

Deno.test("what is removed is told in docker's words", () => {
  assertEquals(removeImages(new Images(box()), ["box:1", "box"], false), {
    lines: ["Untagged: box:1", "Untagged: box:latest", `Deleted: ${id("a")}`, `Deleted: ${id("0")}`],
    errors: [],
    failed: false,
  });
});

Deno.test("what cannot be removed does not stop the others, and is a failure", () => {
  const { lines, errors, failed } = removeImages(new Images(box(), bare()), ["nope", "b", "c"], false);
  assertEquals([lines.length, failed], [2, true]);
  assertEquals(errors.map(({ message }) => message), ["No such image: nope", "No such image: c"]);
});

Deno.test("a forced removal of what is not there is told, but is no failure; of what is in use it is one", () => {
  const images = new Images(box());
  const absent = removeImages(images, ["nope"], true);
  assertEquals([absent.errors.length, absent.failed], [1, false]);
  images.users.set(id("a"), [{ id: "c".repeat(64), running: true }]);
  const used = removeImages(images, ["aaa"], true);
  assertEquals([used.errors.length, used.failed], [1, true]);
});

function prune(
  images: Images,
  { all = false, filters = [], before = Infinity }: Partial<Omit<PruneOptions, "filters">> & {
    filters?: string[];
  },
) {
  const options = { all, before, filters: parseFilters(filters, ["label", "label!"]) };
  return pruneImages(images, options).flatMap(linesOf);
}

Deno.test("pruning removes images without a tag, with --all those with one too", () => {
  const images = () => new Images(box(), bare(), sample("d", { digests: [`box@${id("e")}`] }));
  assertEquals(prune(images(), {}), [
    `Deleted: ${id("b")}`,
    `Deleted: ${id("0")}`,
    `Untagged: box@${id("e")}`,
    `Deleted: ${id("d")}`,
    `Deleted: ${id("0")}`,
  ]);
  const all = images();
  assertEquals(prune(all, { all: true }).filter((line) => line.startsWith("Untagged")), [
    "Untagged: box:1",
    "Untagged: box:latest",
    `Untagged: box@${id("e")}`,
  ]);
  assertEquals(all.list(), []);
});

Deno.test("pruning keeps what is newer, has other labels, or is excepted by a label", () => {
  const before = Date.parse("2024-01-01T12:00:00Z");
  const left = (options: Parameters<typeof prune>[1]) => {
    const images = new Images(box(), bare());
    prune(images, { all: true, ...options });
    return images.list().map(({ id }) => id.at(-1)).join("");
  };
  assertEquals(left({ before }), "b");
  assertEquals(left({ filters: ["label=keep"] }), "b");
  assertEquals(left({ filters: ["label=keep=2"] }), "ab");
  assertEquals(left({ filters: ["label!=keep"] }), "a");
  assertEquals(left({ filters: ["label!=keep=2"] }), "");
});

Deno.test("pruning leaves alone what a container uses, and all its names but those that are not the last", () => {
  const images = new Images(sample("a", { tags: ["box:latest"] }), bare());
  images.users.set(id("a"), [{ id: "c".repeat(64), running: true }]);
  images.users.set(id("b"), [{ id: "d".repeat(64), running: false }]);
  assertEquals(prune(images, { all: true }), []);
  assertEquals(images.list().length, 2);
});
