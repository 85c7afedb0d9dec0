import { assertEquals, assertThrows } from "@std/assert";
import { checkValues, flagFilter, matchesName, parseFilters } from "../../../../src/cli/image/filters.ts";
import { OptionError, UsageError } from "../../../../src/errors.ts";

Deno.test("filters have names and values, and one that is empty is none", () => {
  const filters = parseFilters(["label=a=b", "", " Label = c ", "id="], ["label", "id"]);
  assertEquals([...filters], [["label", ["a=b", "c"]], ["id", [""]]]);
  assertThrows(() => parseFilters(["label"], ["label"]), OptionError, "expected name=value");
  assertThrows(() => parseFilters(["=x"], ["label"]), UsageError, "invalid filter ''");
  assertThrows(() => parseFilters(["other=x"], ["label"]), UsageError, "invalid filter 'other'");
});

Deno.test("a value that cannot be is refused in docker's words", () => {
  const filters = parseFilters(["status=running", "status=late", "dangling=maybe"], ["status", "dangling"]);
  checkValues(filters, "status", () => true);
  checkValues(filters, "exited", () => false);
  const known = (value: string) => value === "running";
  assertThrows(() => checkValues(filters, "status", known), UsageError, "invalid filter 'status=late'");
  assertThrows(() => flagFilter(filters, "dangling"), UsageError, "dangling=[maybe]");
});

Deno.test("a name fits a regular expression of a part of it, and what is none as it stands", () => {
  assertEquals(["web", "^we", "w.b", "b$"].map((value) => matchesName("web", value)), [
    true,
    true,
    true,
    true,
  ]);
  assertEquals([matchesName("web", "^e"), matchesName("a[b", "[")], [false, true]);
});
