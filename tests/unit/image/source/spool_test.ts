import { assertEquals, assertRejects } from "@std/assert";
import { sha256 } from "../../../../src/image/digest.ts";
import { HostError } from "../../../../src/errors.ts";
import { Spool, spool } from "../../../../src/image/source/spool.ts";
import { openRemoved } from "../../../../src/image/unnamed_file.ts";
import { readAt } from "../../../../src/image/read_at.ts";

sha256(); // opens OpenSSL's library, which then stays open; a test that did it would be said to leak

async function* parts(...texts: string[]) {
  for (const text of texts) yield await Promise.resolve(new TextEncoder().encode(text));
}

function inFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = Deno.makeTempDirSync();
  return work(folder).finally(() => Deno.removeSync(folder, { recursive: true }));
}

const names = (folder: string) => [...Deno.readDirSync(folder)].map(({ name }) => name);

function text(file: Deno.FsFile): string {
  const bytes = new Uint8Array(100);
  return new TextDecoder().decode(bytes.subarray(0, readAt(file, 0, bytes)));
}

Deno.test("what is spooled can be read, and has no name", () =>
  inFolder(async (folder) => {
    using file = await spool(parts("one ", "", "two"), { folder, label: "it", signal: undefined });
    assertEquals([text(file), names(folder)], ["one two", []]);
  }));

Deno.test("where a file cannot be without a name, it has none when it is opened", () =>
  inFolder((folder) => {
    using file = openRemoved(folder);
    file.writeSync(new TextEncoder().encode("text"));
    assertEquals([text(file), names(folder)], ["text", []]);
    return Promise.resolve();
  }));

Deno.test("spooling stops when it is broken off", () =>
  inFolder(async (folder) => {
    const controller = new AbortController();
    const endless = (async function* () {
      for (let count = 0;; count++) {
        if (count === 3) controller.abort(new Error("enough"));
        yield* parts("more");
      }
    })();
    await assertRejects(
      () => spool(endless, { folder, label: "it", signal: controller.signal }),
      Error,
      "enough",
    );
  }));

Deno.test("an error of what is spooled is its own", () =>
  inFolder(async (folder) => {
    const broken = (async function* () {
      yield* parts("some");
      throw new Error("broken");
    })();
    await assertRejects(() => spool(broken, { folder, label: "it", signal: undefined }), Error, "broken");
  }));

Deno.test("where no file can be made, the error names the folder", async () => {
  const spooling = spool(parts("x"), { folder: "/nowhere", label: "it", signal: undefined });
  await assertRejects(() => spooling, HostError, 'cannot make a temporary file in "/nowhere": no such file');
});

Deno.test("a full disk is said to be one, with what has come until then", () =>
  inFolder(async (folder) => {
    const full = (async function* () {
      yield* parts("some");
      throw Object.assign(new Error("write"), { code: "ENOSPC" });
    })();
    const spooling = spool(full, { folder, label: '"a.tar"', signal: undefined });
    const error = await assertRejects(
      () => spooling,
      HostError,
      'no space left: cannot uncompress or keep "a.tar"',
    );
    assertEquals(/after 4 bytes; make room there/.test(error.message), true, error.message);
  }));

Deno.test("what is handed to a spool can be read, and is hashed", () =>
  inFolder(async (folder) => {
    using spooled = new Spool({ folder, label: "it" });
    await spooled.write(new TextEncoder().encode("ab"));
    await spooled.write(new TextEncoder().encode("c"));
    assertEquals([text(spooled.range.file), spooled.range.size, names(folder)], ["abc", 3, []]);
    // sha256sum of "abc" (FIPS 180-2, appendix B.1)
    const digest = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assertEquals(spooled.digest(), digest);
  }));
