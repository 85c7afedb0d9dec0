import { assert, assertEquals, assertMatch } from "@std/assert";
import { assertFailure, assertSuccess } from "../support/containers.ts";
import { archive, type ImageOptions } from "../support/image.ts";
import { busyboxLayer, busyboxWith } from "../support/images.ts";
import { DHOW } from "../support/host.ts";
import { type Output, run } from "../support/process.ts";
import { type Store, storeTest } from "../support/store.ts";
import { systemTest } from "../support/system_test.ts";

const SHARED = [{ path: "shared", content: "shared\n" }];

/** An image of a layer that all have and one of its own. */
function image(name: string, options: Partial<ImageOptions> = {}): ImageOptions {
  return { layers: [SHARED, [{ path: name, content: `${name}\n` }]], tags: [`${name}:latest`], ...options };
}

async function load(store: Store, ...images: ImageOptions[]): Promise<void> {
  for (const each of images) assertSuccess(await store.load(each));
}

async function output(store: Store, ...args: string[]): Promise<string> {
  const result = await store.dhow(...args);
  assertSuccess(result);
  return result.stdout;
}

const names = async (store: Store) =>
  (await output(store, "images", "--format", "{{.Repository}}:{{.Tag}}")).split("\n").filter((line) =>
    line !== ""
  ).sort();

/** Standard error's lines, without who says it. */
const complaints = ({ stderr }: Output) =>
  stderr.split("\n").filter((line) => line !== "").map((line) => line.replace(/^dhow: /, ""));

storeTest("tag gives an image one more name, and takes a name that another one has", async (store) => {
  await load(store, image("one"), image("two"));
  assertEquals(await output(store, "tag", "one", "more"), "");
  assertEquals(await output(store, "image", "tag", "one:latest", "two"), "");
  assertEquals(await names(store), ["<none>:<none>", "more:latest", "one:latest", "two:latest"]);
  const id = async (name: string) => await output(store, "inspect", "-f", "{{.Id}}", name);
  assertEquals(await id("two"), await id("one"));
  const short = (await id("one")).slice("sha256:".length, 20);
  assertEquals(await output(store, "tag", short, "example.com:5000/team/app:1"), "");
  assertEquals(await id("example.com:5000/team/app:1"), await id("one"));
});

storeTest("tag refuses an image that is not there, and a name that is none", async (store) => {
  await load(store, image("one"));
  assertFailure(await store.dhow("tag", "nope", "x"), 1, /^dhow: No such image: nope/);
  assertFailure(await store.dhow("tag", "one", "X"), 1, /"X" .*lowercase/);
  assertFailure(await store.dhow("tag", "one", "x:"), 1, /"x:" /);
  assertEquals(await names(store), ["one:latest"]);
});

storeTest("rmi takes a name away; the last takes the image and its own layers along", async (store) => {
  await load(store, image("one"), image("two", { tags: ["two:1", "two:2"] }));
  assertEquals(store.layerFolders().length, 3);
  assertEquals(await output(store, "rmi", "two:1"), "Untagged: two:1\n");
  assertEquals(store.layerFolders().length, 3);
  assertMatch(
    await output(store, "rmi", "two:2"),
    /^Untagged: two:2\nDeleted: sha256:[0-9a-f]{64}\nDeleted: sha256:[0-9a-f]{64}\n$/,
  );
  // what both had is still there
  assertEquals([store.layerFolders().length, await names(store)], [2, ["one:latest"]]);
  assertEquals((await output(store, "image", "rm", "one")).split("\n").length, 5);
  assertEquals([store.layerFolders(), await names(store)], [[], []]);
});

storeTest("rmi by an id removes all names, when they are one or it is forced", async (store) => {
  await load(store, image("one"), image("two", { tags: ["two:1", "two:2"] }));
  const id = async (name: string) => (await output(store, "inspect", "-f", "{{.Id}}", name)).trim();
  const two = (await id("two:1")).slice("sha256:".length, 19);
  assertFailure(
    await store.dhow("rmi", two),
    1,
    /conflict: unable to delete .* \(must be forced\) - image is referenced/,
  );
  assertEquals(await names(store), ["one:latest", "two:1", "two:2"]);
  assertMatch(await output(store, "rmi", "-f", two), /^Untagged: two:1\nUntagged: two:2\nDeleted: /);
  assertMatch(await output(store, "rmi", await id("one")), /^Untagged: one:latest\nDeleted: /);
});

storeTest(
  "rmi removes what it can, tells what it cannot, and fails unless that is only absent and forced",
  async (store) => {
    await load(store, image("one"));
    const result = await store.dhow("rmi", "nope", "one", "gone:1");
    assertEquals([result.code, complaints(result)], [1, ["No such image: nope", "No such image: gone:1"]]);
    assertMatch(result.stdout, /^Untagged: one:latest\nDeleted: /);
    const forced = await store.dhow("rmi", "-f", "nope");
    assertEquals([forced.code, forced.stdout, complaints(forced)], [0, "", ["No such image: nope"]]);
  },
);

storeTest("an image that was removed can be loaded again, its layers too", async (store) => {
  await load(store, image("one"));
  await output(store, "rmi", "one");
  await load(store, image("one"));
  assertEquals([store.layerFolders().length, await names(store)], [2, ["one:latest"]]);
});

systemTest("an image that a container uses is kept, whoever wants it gone", async (host) => {
  const path = await host.write("image.tar", busyboxWith({ Cmd: ["sleep", "60"] }, { tags: ["box:1"] }));
  assertSuccess(await host.dhow(["load", "-q", "-i", path]));
  {
    await using container = host.spawnDhow([
      "run",
      "-i",
      "--network",
      "none",
      "--name",
      "user",
      "box:1",
      "sh",
      "-c",
      "echo up; cat",
    ]);
    await container.stdout.until(/up/);
    assertFailure(
      await host.dhow(["rmi", "box:1"]),
      1,
      /conflict: unable to remove repository reference "box:1" \(must force\) - container [0-9a-f]{12} is using/,
    );
    const { stdout: id } = await host.dhow(["images", "-q"]);
    assertFailure(
      await host.dhow(["rmi", "-f", id.trim()]),
      1,
      /\(cannot be forced\) - image is being used by running container [0-9a-f]{12}/,
    );
    const pruned = await host.dhow(["image", "prune", "-af"]);
    assertEquals([pruned.code, pruned.stdout], [0, "Total reclaimed space: 0B\n"]);
    assertEquals((await host.dhow(["rmi", "-f", "box:1"])).stdout, "Untagged: box:1\n");
    await container.closeStdin();
    assertEquals((await container.output()).code, 0);
  }
  assertMatch((await host.dhow(["image", "prune", "-f"])).stdout, /^Deleted Images:\ndeleted: sha256:/);
});

storeTest("prune removes what has no name, and says how much that was", async (store) => {
  await load(store, image("one"), image("two", { tags: [] }));
  assertMatch(
    await output(store, "image", "prune", "--force"),
    /^Deleted Images:\ndeleted: sha256:\w{64}\ndeleted: sha256:\w{64}\n\nTotal reclaimed space: 4B\n$/,
  );
  assertEquals([await names(store), store.layerFolders().length], [["one:latest"], 2]);
  assertEquals(await output(store, "image", "prune", "-f"), "Total reclaimed space: 0B\n");
  assertMatch(
    await output(store, "image", "prune", "-a", "-f"),
    /untagged: one:latest\n[^]*Total reclaimed space: 11B\n$/,
  );
  assertEquals(store.layerFolders(), []);
});

storeTest("prune asks, and takes only y for an answer", async (store) => {
  await load(store, image("one", { tags: [] }));
  const answered = (answer: string, ...args: string[]) =>
    run(store.command("image", "prune", ...args), { stdin: answer });
  const question = "Are you sure you want to continue? [y/N] ";
  for (const answer of ["", "n\n", "yes\n", "\n"]) {
    const { code, stdout } = await answered(answer);
    assertEquals([code, stdout], [
      0,
      `WARNING! This will remove all dangling images.\n${question}Total reclaimed space: 0B\n`,
    ]);
  }
  assertEquals(await names(store), ["<none>:<none>"]);
  const { stdout } = await answered("y\n", "--all");
  assertMatch(
    stdout,
    /^WARNING! This will remove all images without at least one container associated to them\.\n/,
  );
  assertEquals(await names(store), []);
});

storeTest("prune keeps what its filters do not fit", async (store) => {
  const labels = (value: string) => ({ config: { Labels: { stage: value } } });
  await load(
    store,
    image("one", { ...labels("test"), tags: [] }),
    image("two", { ...labels("live"), tags: [] }),
    image("old", { created: "2020-01-01T00:00:00Z" }),
  );
  const prune = async (...args: string[]) => {
    await output(store, "image", "prune", "-f", ...args);
    return (await names(store)).length;
  };
  assertEquals(await prune("--filter", "label=stage=none"), 3);
  assertEquals(await prune("--all", "--filter", "until=2019-01-01"), 3);
  assertEquals(await prune("--all", "--filter", "until=2021-01-01"), 2);
  assertEquals(await prune("--filter", "label=stage=test"), 1);
  assertEquals(await prune("--filter", "label!=stage=live"), 1);
  assertEquals(await prune("--filter", "label!=stage=test"), 0);
  assertFailure(
    await store.dhow("image", "prune", "-f", "--filter", "until=xx"),
    1,
    /cannot understand the time "xx"/,
  );
});

storeTest("inspect and history tell of what is not there, after what is", async (store) => {
  await load(store, image("one"));
  for (const verb of [["inspect"], ["image", "inspect"]]) {
    const result = await store.dhow(...verb, "-f", "{{.Os}}", "nope", "one", "gone");
    const what = verb[0] === "image" ? "image" : "object";
    assertEquals([result.code, result.stdout, complaints(result)], [1, "linux\n", [
      `No such ${what}: nope`,
      `No such ${what}: gone`,
    ]]);
    const empty = await store.dhow(...verb, "nope");
    assertEquals([empty.code, empty.stdout], [1, "[]\n"]);
  }
  const typed = await store.dhow("inspect", "--type", "image", "nope");
  assertEquals(complaints(typed), ["No such image: nope"]);
  assertFailure(
    await store.dhow("inspect", "--type", "foo", "one"),
    1,
    /"foo" is not a valid value for --type/,
  );
  assertFailure(await store.dhow("history", "nope"), 1, /No such image: nope/);
  const sized = await store.dhow("inspect", "-s", "-f", "{{.Size}}", "one");
  assertEquals([sized.code, sized.stdout], [0, "11\n"]);
  assertMatch(sized.stderr, /^dhow: warning: --size is ignored/);
});

storeTest("what an image says of itself cannot move the terminal's cursor", async (store) => {
  const evil = "\x1b[2J\x9b31m\x07\nfake   row\t";
  await load(store, image("one", { config: { Labels: { evil }, User: evil } }));
  // deno-lint-ignore no-control-regex -- they are what must not be there
  const control = /[\x00-\x09\x0b-\x1f\x7f-\x9f]/;
  for (
    const args of [["inspect", "one"], ["inspect", "-f", "{{json .}}", "one"], ["images"], ["history", "one"]]
  ) {
    assertEquals(control.test(await output(store, ...args)), false, args.join(" "));
  }
});

storeTest("images without a name to look for, or with an empty one, lists all", async (store) => {
  await load(store, image("one"), image("two"));
  assertEquals(await output(store, "images", ""), await output(store, "images"));
  assertEquals((await output(store, "images", "-q", "one")).length, 13);
});

storeTest("image's verbs are the ones without it", async (store) => {
  const path = store.write("image.tar", archive(image("one")));
  assertEquals(await output(store, "image", "load", "-q", "-i", path), "Loaded image: one:latest\n");
  assertEquals(await output(store, "image", "ls"), await output(store, "images"));
  assertEquals(await output(store, "image", "list"), await output(store, "images"));
  assertEquals(await output(store, "image", "history", "one"), await output(store, "history", "one"));
  assertEquals(await output(store, "image", "inspect", "one"), await output(store, "inspect", "one"));
  assertFailure(await store.dhow("image", "frobnicate"), 1, /"frobnicate".*dhow image --help/);
  assertMatch(await output(store, "image", "remove", "one"), /^Untagged: one:latest\nDeleted: /);
});

storeTest("a reader that goes away early is no error", async (store) => {
  await load(store, { layers: [busyboxLayer()], tags: ["one:latest"] });
  const { code, stderr } = await run(["sh", "-c", `"$0" --root "$1" inspect one | true`, DHOW, store.root]);
  assertEquals([code, stderr], [0, ""]);
});

storeTest("rmi that is killed after any step: the image is there, or all of it is gone", async (store) => {
  const KILLED = 137;
  for (let step = 1, code = KILLED; code === KILLED; step++) {
    await load(store, image("one"), image("two"));
    const env = { DHOW_FAULT: `kill-after:${step}` };
    code = (await run(store.command("rmi", "one"), { env })).code;
    // the command after it cleans up
    const left = await names(store);
    const expected = left.includes("one:latest") ? 3 : 2;
    assertEquals(
      [code === KILLED || code === 0, store.layerFolders().length],
      [true, expected],
      `step ${step}`,
    );
    assert(code === KILLED || step > 1, "no step was done");
  }
  assertEquals(await names(store), ["two:latest"]);
});
