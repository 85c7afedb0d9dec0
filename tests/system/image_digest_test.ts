import { assertEquals, assertMatch } from "@std/assert";
import { assertFailure, assertSuccess } from "../support/containers.ts";
import type { Host } from "../support/host.ts";
import { busyboxArchive } from "../support/images.ts";
import { ADDRESS, TestRegistry } from "../support/registry.ts";
import { systemTest } from "../support/system_test.ts";

const APP = `${ADDRESS}/app`;

async function output(host: Host, ...args: string[]): Promise<string> {
  const result = await host.dhow(args);
  assertSuccess(result);
  return result.stdout.trimEnd();
}

/** Pulls an image as APP:1. Returns its names by digests and ids, all of which stand for it. */
async function pull(host: Host) {
  await output(host, "pull", "-q", `${APP}:1`);
  const digest = await output(host, "images", "--digests", "--format", "{{.Digest}}");
  const id = await output(host, "images", "-q", "--no-trunc");
  const short = id.slice("sha256:".length, 19);
  const names = [`${APP}@${digest}`, `${APP}:other@${digest}`, id, id.slice(7), short, `sha256:${short}`];
  return { digest, id, names };
}

systemTest("every verb takes an image by its digest, its id, and the start of that", async (host) => {
  await using registry = await TestRegistry.start(host);
  await registry.put(await busyboxArchive(), "app:1");
  const { id, names } = await pull(host);
  for (const [index, name] of names.entries()) {
    assertEquals(await output(host, "inspect", "-f", "{{.Id}}", name), id, name);
    assertEquals(await output(host, "image", "inspect", "-f", "{{.Id}}", name), id, name);
    assertMatch(await output(host, "history", "-q", name), new RegExp(`^${id.slice(7, 19)}\n`));
    assertEquals(await output(host, "run", "--network", "none", name, "echo", "ran"), "ran");
    await output(host, "tag", name, `copy:${index}`);
    await output(host, "save", "-q", "-o", "/tmp/saved.tar", name);
    // neither a digest nor an id is a name that an archive could give
    const manifest = await host.shell("tar -xOf /tmp/saved.tar manifest.json; rm /tmp/saved.tar");
    assertEquals(JSON.parse(manifest)[0].RepoTags ?? [], [], name);
  }
  const tags = await output(host, "inspect", "-f", "{{len .RepoTags}}", id);
  assertEquals(tags, `${names.length + 1}`);
});

systemTest("rmi of a digest takes only that away, and the image if nothing else is left", async (host) => {
  await using registry = await TestRegistry.start(host);
  await registry.put(await busyboxArchive(), "app:1");
  const { digest, id } = await pull(host);
  const named = `${APP}@${digest}`;
  assertEquals(await output(host, "rmi", named), `Untagged: ${named}`);
  assertFailure(await host.dhow(["rmi", named]), 1, /^dhow: No such image: /);
  assertEquals(await output(host, "images", "--digests", "--format", "{{.Tag}} {{.Digest}}"), "1 <none>");
  assertEquals(
    await output(host, "rmi", `${APP}:1`).then((text) => text.split("\n")[0]),
    `Untagged: ${APP}:1`,
  );
  await output(host, "pull", "-q", named);
  assertMatch(await output(host, "rmi", named), new RegExp(`^Untagged: ${named}\nDeleted: ${id}\n`));
  assertEquals(await output(host, "images", "-q"), "");
});

systemTest("a digest of another repository or of nothing is no image, and no name to give", async (host) => {
  await using registry = await TestRegistry.start(host);
  await registry.put(await busyboxArchive(), "app:1");
  const { digest, id } = await pull(host);
  for (const name of [`other@${digest}`, `${APP}@${id}`, `${APP}@sha256:abc`]) {
    assertFailure(
      await host.dhow(["image", "inspect", "-f", "{{.Id}}", name]).then(withoutOutput),
      1,
      /No such image/,
    );
    assertFailure(await host.dhow(["rmi", name]), 1, /No such image/);
    assertFailure(await host.dhow(["tag", name, "x"]), 1, /No such image/);
  }
  for (const name of [`copy@${digest}`, "sha256:abc", id]) {
    assertFailure(await host.dhow(["tag", `${APP}:1`, name]), 1, /cannot use .* as an image's name/);
  }
  assertFailure(
    await host.dhow(["push", `${APP}@${digest}`]),
    1,
    /it has a digest, where only a tag is possible/,
  );
});

/** inspect prints an empty line for what there is not, as docker does. */
function withoutOutput<T extends { stdout: string }>(result: T): T {
  assertEquals(result.stdout.trim(), "");
  return { ...result, stdout: "" };
}
