import { assertEquals } from "@std/assert";
import { chainIds } from "../../../src/image/chain_id.ts";

Deno.test("the lowest layer's chain id is its diff id, the others hash the one below and their own", () => {
  const [a, b] = [`sha256:${"a".repeat(64)}`, `sha256:${"b".repeat(64)}`];
  // printf 'sha256:a… sha256:b…' | sha256sum
  const chain = "sha256:ccd722928bd92476ba1745586fed6e45a102504185ad88cd89e01ff116fd146c";
  assertEquals(chainIds([a, b]), [a, chain]);
  assertEquals(chainIds([]), []);
});
