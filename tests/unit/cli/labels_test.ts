import { assertEquals } from "@std/assert";
import { hasLabel, labelOf } from "../../../src/cli/labels.ts";

Deno.test("a label fits by its name, or by its name and value", () => {
  const labels = { tier: "front", empty: "", sum: "a=b" };
  const fits = ["tier", "tier=front", "empty", "empty=", "sum=a=b"];
  assertEquals(fits.map((wanted) => hasLabel(labels, wanted)), fits.map(() => true));
  for (const wanted of ["tier=back", "front", "", "sum=a"]) {
    assertEquals(hasLabel(labels, wanted), false, wanted);
  }
});

Deno.test("what every object has is no label", () => {
  for (const name of ["constructor", "toString", "__proto__"]) {
    assertEquals([labelOf({}, name), hasLabel({}, name)], [undefined, false], name);
  }
});
