import { assertEquals } from "@std/assert";
import { createHash } from "node:crypto";
import { sha256 } from "../../../src/image/digest.ts";

sha256(); // opens OpenSSL's library, which then stays open; a test that did it would be said to leak

Deno.test("a digest of parts is that of the whole", async () => {
  const bytes = new Uint8Array(3_000_000).map((_, index) => index * 7);
  const digester = sha256();
  // not awaited one by one: they are taken in order all the same
  const updates = [0, 1, 1000, 999_999, 2_500_000].map((start, index, starts) =>
    digester.update(bytes.subarray(start, starts[index + 1]))
  );
  await Promise.all(updates);
  assertEquals(digester.digest(), `sha256:${createHash("sha256").update(bytes).digest("hex")}`);
});

Deno.test("the digest of nothing is known", () => {
  const empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
  assertEquals(sha256().digest(), `sha256:${empty}`);
});
