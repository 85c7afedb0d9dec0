import { assertEquals, assertRejects } from "@std/assert";
import { ImageError } from "../../../../src/errors.ts";
import { fetchConfig, fetchManifest, listTags } from "../../../../src/image/registry/documents.ts";
import { MEDIA_TYPES } from "../../../../src/image/registry/manifest.ts";
import { digestOf, openRegistry } from "./fake.ts";

const MANIFEST = JSON.stringify({ schemaVersion: 2, mediaType: MEDIA_TYPES.ociManifest, layers: [] });
const OTHER = digestOf("other");

interface Sent {
  readonly text?: string | Uint8Array<ArrayBuffer>;
  readonly type?: string;
  readonly digest?: string;
}

async function fetch(reference: string, { text = MANIFEST, type = MEDIA_TYPES.ociManifest, digest }: Sent) {
  const headers = {
    "content-type": type,
    ...(digest === undefined ? {} : { "docker-content-digest": digest }),
  };
  const network = openRegistry({
    [`team/app/manifests/${reference}`]: () => new Response(text, { headers }),
  });
  return await fetchManifest(await network.inquiry(), reference);
}

Deno.test("a manifest is what its bytes say it is", async () => {
  const expected = { mediaType: MEDIA_TYPES.ociManifest, digest: digestOf(MANIFEST), text: MANIFEST };
  assertEquals(await fetch("latest", {}), expected);
  assertEquals(await fetch("latest", { digest: digestOf(MANIFEST) }), expected);
  assertEquals(await fetch(digestOf(MANIFEST), {}), expected);
  assertEquals(await fetch("latest", { digest: `sha512:${"0".repeat(128)}` }), expected);
});

Deno.test("a manifest without a mediaType is what the registry's header says", async () => {
  const text = JSON.stringify({ schemaVersion: 2, config: {}, layers: [] });
  const { mediaType } = await fetch("latest", { text, type: `${MEDIA_TYPES.ociManifest}; charset=utf-8` });
  assertEquals(mediaType, MEDIA_TYPES.ociManifest);
});

for (
  const [what, reference, sent, said] of [
    ["of another digest than was asked for", OTHER, {}, `of digest ${digestOf(MANIFEST)} for ${OTHER}`],
    ["of another digest than the header says", "latest", { digest: OTHER }, `for ${OTHER}`],
    ["that the header calls an index", "latest", { type: MEDIA_TYPES.ociIndex }, "the registry that it is"],
    ["larger than 4 MiB", "latest", { text: " ".repeat((4 << 20) + 1) }, "more than 4194304 bytes"],
    ["that is no JSON", "latest", { text: "<html>" }, "it is not JSON"],
    ["that is a list", "latest", { text: "[]" }, "not an object"],
    ["that is not UTF-8", "latest", { text: Uint8Array.of(0x22, 0xff, 0x22) }, "not UTF-8"],
    ["of a mediaType that is no text", "latest", { text: '{"mediaType":1}' }, "mediaType"],
    ["of docker's schema 1", "latest", {
      text: '{"schemaVersion":1,"fsLayers":[]}',
      type: "application/json",
    }, "schema 1"],
    ["of docker's schema 1, signed", "latest", {
      text: '{"schemaVersion":1}',
      type: "application/vnd.docker.distribution.manifest.v1+prettyjws",
    }, "schema 1"],
    ["of a type that nobody knows", "latest", { text: '{"mediaType":"application/x"}' }, '"application/x"'],
    ["of no type", "latest", { text: "{}", type: "text/plain" }, '"text/plain"'],
  ] as const
) {
  Deno.test(`a manifest ${what} is refused`, async () => {
    await assertRejects(() => fetch(reference, sent as Sent), ImageError, said);
  });
}

Deno.test("an error of the registry is told in its own words, cut to a line's length", async () => {
  const errors = [{ code: "MANIFEST_UNKNOWN", message: `no such thing${"!".repeat(1000)}` }];
  const network = openRegistry({ "team/app/manifests/x": () => Response.json({ errors }, { status: 404 }) });
  const inquiry = await network.inquiry();
  const { message } = await assertRejects(() => fetchManifest(inquiry, "x"), ImageError);
  assertEquals(
    message.startsWith("cannot test: the registry answers 404 (manifest unknown: no such thing!"),
    true,
  );
  assertEquals(message.length < 400, true);
});

Deno.test("an image that a registry does not have is told without saying it twice", async () => {
  const errors = [{ code: "MANIFEST_UNKNOWN", message: "manifest unknown" }];
  const network = openRegistry({ "team/app/manifests/x": () => Response.json({ errors }, { status: 404 }) });
  const inquiry = await network.inquiry();
  const { message } = await assertRejects(() => fetchManifest(inquiry, "x"), ImageError);
  const said = "the registry answers 404 (manifest unknown); check the image's name and tag";
  assertEquals(message, `cannot test: ${said}`);
});

const CONFIG = '{"os":"linux"}';

for (
  const [what, sent, size, said] of [
    ["longer than its manifest says", `${CONFIG} `, CONFIG.length, "sends 15 bytes"],
    ["of another digest", '{"os":"LINUX"}', CONFIG.length, "of digest"],
    ["that would be larger than 4 MiB", CONFIG, (4 << 20) + 1, "more than"],
  ] as const
) {
  Deno.test(`a config ${what} is refused`, async () => {
    const digest = digestOf(CONFIG);
    const inquiry = await openRegistry({ [`team/app/blobs/${digest}`]: () => new Response(sent) }).inquiry();
    await assertRejects(() => fetchConfig(inquiry, { ...DESCRIPTOR, digest, size }), ImageError, said);
  });
}

const DESCRIPTOR = {
  mediaType: MEDIA_TYPES.ociConfig,
  platform: undefined,
  annotations: new Map<string, string>(),
  artifactType: undefined,
};

Deno.test("a config comes byte for byte", async () => {
  const digest = digestOf(CONFIG);
  const inquiry = await openRegistry({ [`team/app/blobs/${digest}`]: () => new Response(CONFIG) }).inquiry();
  assertEquals(await fetchConfig(inquiry, { ...DESCRIPTOR, digest, size: CONFIG.length }), CONFIG);
});

/** A list of tags in pages, each with the Link header that it is given. */
function pages(...all: readonly { tags: unknown; link?: string }[]) {
  let page = 0;
  return openRegistry({
    "team/app/tags/list": () => {
      const { tags, link } = all[page++]!;
      return Response.json({ name: "team/app", tags }, link === undefined ? {} : { headers: { link } });
    },
  });
}

Deno.test("all pages of a list of tags are read", async () => {
  const network = pages(
    { tags: ["b", "a"], link: '</v2/team/app/tags/list?last=a&n=2>; rel="next"' },
    { tags: ["c"] },
  );
  assertEquals(await listTags(await network.inquiry()), ["a", "b", "c"]);
  assertEquals(network.asked.at(-1)!.url.search, "?last=a&n=2");
});

Deno.test("a repository may have no tags", async () => {
  assertEquals(await listTags(await pages({ tags: null }).inquiry()), []);
});

Deno.test("a list of tags that never ends is read once", async () => {
  const link = '</v2/team/app/tags/list?again>; rel="next"';
  assertEquals(await listTags(await pages({ tags: ["a"], link }, { tags: ["a"], link }).inquiry()), ["a"]);
});

Deno.test("the next page is looked for in the same repository only", async () => {
  for (const link of ["<https://evil.example/>; rel=next", "</v2/other/tags/list>; rel=next"]) {
    const network = pages({ tags: ["a"], link });
    assertEquals(await listTags(await network.inquiry()), ["a"]);
    assertEquals(network.asked.length, 2);
  }
});

for (const tags of [["../x"], [1], "a", ["a\n"]]) {
  Deno.test(`${JSON.stringify(tags)} is no list of tags`, async () => {
    const inquiry = await pages({ tags }).inquiry();
    await assertRejects(() => listTags(inquiry), ImageError, "what is no tag");
  });
}
