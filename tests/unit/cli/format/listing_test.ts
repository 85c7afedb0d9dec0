import { assertEquals, assertThrows } from "@std/assert";
import { formatRows, type Listing, type Row } from "../../../../src/cli/format/listing.ts";
import { TemplateError } from "../../../../src/cli/template/error.ts";

const THINGS: Listing = { type: "*thing", headers: { Name: "NAME", Size: "SIZE" } };

function thing(name: string, size = "1B"): Row {
  return {
    fields: { Size: () => size, Name: () => name },
    methods: { Label: { arity: 1, call: (label) => `${name}-${label}` } },
  };
}

const ROWS = [thing("one"), thing("two<", "2B")];
const format = (text: string, rows: readonly Row[] = ROWS) => formatRows(THINGS, rows, text);

const CASES: readonly [format: string, output: string][] = [
  ["{{.Name}}", "one\ntwo<\n"],
  ["  {{.Name}}  ", "one\ntwo<\n"],
  ["{{.Name}}\\t{{.Size}}\\n", "one\t1B\n\ntwo<\t2B\n\n"],
  ["table {{.Name}}\\t{{.Size}}", "NAME      SIZE\none       1B\ntwo<      2B\n"],
  ["table {{.Name}}\t{{.Size}}", "NAME      SIZE\none       1B\ntwo<      2B\n"],
  ["table{{.Name}}", "NAME\none\ntwo<\n"],
  ["table {{upper .Name}}", "NAME\nONE\nTWO<\n"],
  [
    'table {{.Label "com.example.my-label_x"}}',
    "my label x\none-com.example.my-label_x\ntwo<-com.example.my-label_x\n",
  ],
  ["table {{pad .Name 1 2}}|{{truncate .Name 1}}", " NAME  |NAME\n one  |o\n two<  |t\n"],
  ['table {{join (split .Name "n") "-"}}', "NAME\no-e\ntwo<\n"],
  ["table {{json .Name}}", 'NAME\n"one"\n"two<"\n'],
  ["json", '{"Name":"one","Size":"1B"}\n{"Name":"two\\u003c","Size":"2B"}\n'],
  ["{{json .}}", '{"Name":"one","Size":"1B"}\n{"Name":"two\\u003c","Size":"2B"}\n'],
  ["", "\n\n"],
];

for (const [text, output] of CASES) {
  Deno.test(`the format ${JSON.stringify(text)} prints rows as docker does`, () =>
    assertEquals(format(text), output));
}

Deno.test("a table without rows is its header; a template without rows prints nothing", () => {
  assertEquals(format("table {{.Name}}\t{{.Size}}", []), "NAME      SIZE\n");
  assertEquals(format("table {{.Nope}}", []), "<no value>\n");
  assertEquals(format("{{.Name}}", []), "");
});

Deno.test("a template that does not fit the rows is refused, one that does not fit the header is not", () => {
  assertThrows(() => format("table {{.Nope}}"), TemplateError, "can't evaluate field Nope in type *thing");
  // the header's words are not split: there the second index is that of a number
  assertEquals(format("table {{index (split .Name `n`) 0 0}}"), "\n111\n116\n");
});

Deno.test("a value cannot add cells or lines to a table, or move the terminal's cursor", () => {
  const rows = [thing("a\tb\nc\x1b[2J\x9b\x7f"), thing("x")];
  assertEquals(
    format("table {{.Name}}\t{{.Size}}", rows),
    "NAME          SIZE\na b c [2J     1B\nx             1B\n",
  );
  // programs that read a plain template get the value as it is
  assertEquals(format("{{.Name}}", rows), "a\tb\nc\x1b[2J\x9b\x7f\nx\n");
});
