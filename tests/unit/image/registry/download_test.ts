import { assert, assertEquals, assertRejects } from "@std/assert";
import { HostError, ImageError } from "../../../../src/errors.ts";
import { sha256 } from "../../../../src/image/digest.ts";
import { downloadBlob } from "../../../../src/image/registry/download.ts";
import { readAt } from "../../../../src/image/read_at.ts";
import { type Answer, broken, digestOf, type FakeNetwork, openRegistry } from "./fake.ts";

sha256(); // loads a library, which then is not the first test's

const BYTES = new Uint8Array(3 << 20).map((_, index) => index * index >> 8);
const DIGEST = digestOf(BYTES);

interface Result {
  readonly bytes: Uint8Array;
  /** What progress came to. */
  readonly advanced: number;
}

/** Downloads the blob from a registry that answers so. */
async function download(answer: Answer, size = BYTES.length): Promise<Result & { network: FakeNetwork }> {
  const network = openRegistry({ [`team/app/blobs/${DIGEST}`]: answer });
  return { ...await downloadFrom(network, size), network };
}

async function downloadFrom(network: FakeNetwork, size = BYTES.length): Promise<Result> {
  const inquiry = await network.inquiry();
  const folder = Deno.makeTempDirSync({ prefix: "dhow-unit-" });
  let advanced = 0;
  const progress = { advance: (bytes: number) => advanced += bytes, done() {} };
  try {
    const { file, offset } = await downloadBlob(inquiry, {
      digest: DIGEST,
      size,
      file: `${folder}/blob`,
      progress,
    });
    using _ = file;
    const bytes = new Uint8Array(file.statSync().size);
    readAt(file, offset, bytes);
    return { bytes, advanced };
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

function assertWhole({ bytes, advanced }: Result): void {
  assertEquals(digestOf(bytes), DIGEST);
  assertEquals(advanced, BYTES.length);
}

/** Where an answer has to begin: what the request's range says. */
function start(headers: Headers): number {
  return Number(/^bytes=(\d+)-/.exec(headers.get("range") ?? "")?.[1] ?? 0);
}

function partial(
  from: number,
  length: number,
  contentRange = `bytes ${from}-${BYTES.length - 1}/${BYTES.length}`,
) {
  const init = { status: from === 0 ? 200 : 206, headers: { "content-range": contentRange } };
  const piece = BYTES.slice(from, from + length);
  return from + length >= BYTES.length ? new Response(piece, init) : broken(piece, init);
}

Deno.test("a blob that comes whole is written down", async () => {
  assertWhole(await download(() => new Response(BYTES)));
});

Deno.test("after each break it goes on from where it was", async () => {
  const result = await download(({ headers }) => partial(start(headers), 1_000_000));
  assertWhole(result);
  const ranges = result.network.asked.slice(1).map(({ headers }) => headers.get("range"));
  assertEquals(ranges, [null, ...[1, 2, 3].map((part) => `bytes=${part}000000-${BYTES.length - 1}`)]);
});

Deno.test("a connection that ends in order, but too early, is a break as well", async () => {
  let answers = 0;
  assertWhole(
    await download(({ headers }) =>
      answers++ === 0 ? new Response(BYTES.slice(0, 5000)) : partial(start(headers), BYTES.length)
    ),
  );
});

Deno.test("a server that knows no ranges is read from the start again", async () => {
  let answers = 0;
  const result = await download(() =>
    answers++ < 2 ? broken(BYTES.slice(0, 2_000_000)) : new Response(BYTES)
  );
  assertWhole(result);
});

Deno.test("a server that knows no ranges and always breaks off is not asked for ever", async () => {
  let answers = 0;
  const answer = () => answers++ < 20 ? broken(BYTES.slice(0, 2_000_000)) : undefined;
  await assertRejects(() => download(answer), HostError, "connection reset");
  assertEquals(answers, 6);
});

Deno.test("whoever comes a good way between some breaks may break more often than others", async () => {
  const inPieces = (count: number) =>
    download(({ headers }) => partial(start(headers), Math.ceil(BYTES.length / count)));
  assertWhole(await inPieces(12)); // more than there are attempts without progress
  await assertRejects(() => inPieces(20), HostError, "connection reset");
});

for (
  const [what, answer, size, said] of [
    [
      "another part than was asked for",
      ({ headers }) => partial(start(headers), 9, start(headers) === 0 ? undefined : "bytes 1-2/3"),
      BYTES.length,
      "another part of it",
    ],
    ["a part, unasked", () => new Response(BYTES, { status: 206 }), BYTES.length, "another part of it"],
    [
      "more than the manifest says",
      () => new Response(BYTES),
      BYTES.length - 1,
      "more than the 3145727 bytes",
    ],
    [
      "other bytes",
      () => new Response(new Uint8Array(BYTES.length)),
      BYTES.length,
      "something else, of digest",
    ],
    ["nothing, for a blob of 0 bytes that are not", () => new Response(""), 0, "something else, of digest"],
  ] as const satisfies readonly (readonly [string, Answer, number, string])[]
) {
  Deno.test(`a registry that sends ${what} is not believed`, async () => {
    await assertRejects(() => download(answer, size), ImageError, said);
  });
}

Deno.test("an answer without end is broken off as soon as it is too long", async () => {
  let sent = 0;
  const endless = new ReadableStream<Uint8Array>({
    pull(controller) {
      sent += 65536;
      controller.enqueue(new Uint8Array(65536));
    },
  });
  await assertRejects(() => download(() => new Response(endless)), ImageError, "more than");
  assert(sent < BYTES.length + (1 << 20), `${sent} bytes`);
});

Deno.test("a registry that is busy twice is asked a third time", async () => {
  let answers = 0;
  const result = await download(() =>
    answers++ < 2 ? new Response(null, { status: 503 }) : new Response(BYTES)
  );
  assertWhole(result);
  assertEquals(result.network.clock.waits, [500, 1000]);
});

Deno.test("a file that cannot be made is the host's fault", async () => {
  const inquiry = await openRegistry({}).inquiry();
  const progress = { advance() {}, done() {} };
  const blob = { digest: DIGEST, size: 1, file: "/nowhere/blob", progress };
  await assertRejects(() => downloadBlob(inquiry, blob), HostError, 'cannot write "/nowhere/blob"');
});

Deno.test("a blob that is not there is not asked for again", async () => {
  const network = openRegistry({});
  await assertRejects(() => downloadFrom(network), ImageError, "404");
  assertEquals(network.asked.length, 2);
});

Deno.test("a connection on which nothing comes any more is given up, and another one tried", async () => {
  let answers = 0;
  const network = openRegistry({
    [`team/app/blobs/${DIGEST}`]: ({ headers, signal }) => {
      if (answers++ > 0) return partial(start(headers), BYTES.length);
      // as fetch() has it: the signal ends the body
      const body = new ReadableStream<Uint8Array>({
        start: (controller) => {
          controller.enqueue(BYTES.slice(0, 1000));
          signal!.addEventListener("abort", () => controller.error(signal!.reason));
        },
        pull: () => {
          queueMicrotask(() => network.clock.advance(60_000));
          return new Promise(() => {});
        },
      }, { highWaterMark: 0 });
      return new Response(body);
    },
  });
  assertWhole(await downloadFrom(network));
  assertEquals(network.asked.at(-1)!.headers.get("range"), `bytes=1000-${BYTES.length - 1}`);
});

Deno.test("a download ends when the user breaks off, with that as its reason", async () => {
  const network = openRegistry({
    [`team/app/blobs/${DIGEST}`]: ({ signal }) => {
      const body = new ReadableStream<Uint8Array>({
        start: (controller) => signal!.addEventListener("abort", () => controller.error(signal!.reason)),
        pull: () => network.controller.abort(new Error("interrupted")),
      }, { highWaterMark: 0 });
      return new Response(body);
    },
  });
  await assertRejects(() => downloadFrom(network), Error, "interrupted");
  assertEquals(network.asked.length, 2);
});
