import { assertEquals, assertThrows } from "@std/assert";
import { parsePs } from "../../../src/container/process_list.ts";
import { DhowError } from "../../../src/errors.ts";

Deno.test("of what ps prints, the lines of some processes are kept, with the last column whole", () => {
  const text = "UID   PID CMD\nroot    1 init a  b\nme     12 sh -c x\nroot   21 cat\n";
  assertEquals(parsePs(text, [12, 1, 99]), {
    titles: ["UID", "PID", "CMD"],
    rows: [["root", "1", "init a b"], ["me", "12", "sh -c x"]],
  });
});

Deno.test("without a column of pids nothing can be told", () => {
  assertThrows(() => parsePs("UID CMD\nroot init\n", [1]), DhowError, "PID field");
});
