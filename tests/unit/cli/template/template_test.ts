import { assert, assertEquals, assertThrows } from "@std/assert";
import { FunctionError, TemplateError } from "../../../../src/cli/template/error.ts";
import { Template } from "../../../../src/cli/template/template.ts";
import { Float, fromJson, GoMap, List, Nil, Struct, type Value } from "../../../../src/cli/template/value.ts";

const render = (source: string, value: Value = null) => new Template(source).execute(value);
const refuse = (source: string, said: string, value: Value = null) =>
  assertThrows(() => render(source, value), TemplateError, said);

Deno.test("a method is called with the arguments that a template gives it", () => {
  const object = new Struct("*thing", [], { Label: { arity: 1, call: (name) => `<${name}>` } });
  assertEquals(render('{{.Label "a"}} {{"b" | .Label}}', object), "<a> <b>");
  refuse("{{.Label}}", "wrong number of args for Label: want 1 got 0", object);
  refuse("{{.Label 1}}", "expected string; found 1", object);
  refuse("{{.Nope}}", "can't evaluate field Nope in type *thing", object);
});

Deno.test("a field that is a function is not computed unless it is looked at", () => {
  let calls = 0;
  const object = new Struct("thing", [{ name: "A", value: () => String(++calls) }, {
    name: "B",
    value: "b",
  }]);
  assertEquals([render("{{.B}}", object), calls], ["b", 0]);
  assertEquals([render("{{.A}}", object), calls], ["1", 1]);
});

Deno.test("names of every JavaScript object are no fields, no map keys and no functions", () => {
  for (const name of ["constructor", "__proto__", "toString", "hasOwnProperty"]) {
    refuse(`{{.${name}}}`, `can't evaluate field ${name}`, new Struct("thing", []));
    assertEquals(render(`{{.${name}}}`, new GoMap(new Map())), "<no value>");
    refuse(`{{${name}}}`, `function "${name}" not defined`);
    assertEquals(render(`{{.${name}}}`, fromJson({})), "<no value>");
  }
});

Deno.test("nothing, in its kinds, is printed as Go prints it", () => {
  assertEquals(render("{{.}}"), "<no value>");
  assertEquals(render("{{.}}", new Nil("*int")), "<nil>");
  assertEquals(render("{{.}}", new List([null, new Nil("*int"), "a"])), "[<nil> <nil> a]");
  assertEquals(render("{{.}}|{{json .}}", new List([], "[]string", true)), "[]|null");
  assertEquals(render("{{.}}|{{json .}}", new List([])), "[]|[]");
  assertEquals(render("{{json .}}", new GoMap(new Map(), undefined, undefined, true)), "null");
});

Deno.test("a document of unknown shape keeps the types of its values", () => {
  const document = fromJson({ n: null, i: 3, f: 1.5, s: "x", b: true, l: [1, [2]], m: { z: 1, a: 2 } });
  assertEquals(
    render("{{.n}} {{.i}} {{.f}} {{.s}} {{.b}} {{.l}} {{.m}}", document),
    "<no value> 3 1.5 x true [1 [2]] map[a:2 z:1]",
  );
  refuse("{{.n.x}}", "nil pointer evaluating interface {}.x", document);
});

for (
  const [value, text] of [
    [0, "0"],
    [1, "1"],
    [-0.5, "-0.5"],
    [123456, "123456"],
    [1234567, "1.234567e+06"],
    [0.0001, "0.0001"],
    [0.00001, "1e-05"],
    [1e100, "1e+100"],
    [Infinity, "+Inf"],
    [-Infinity, "-Inf"],
    [NaN, "NaN"],
  ] as const
) {
  Deno.test(`the float64 ${value} is printed as ${text}`, () =>
    assertEquals(render("{{.}}", new Float(value)), text));
}

Deno.test("keys of maps are sorted by their bytes, beyond 16 bits too", () => {
  const map = new GoMap(new Map([["\u{1f600}", "1"], ["\uffee", "2"], ["a", "3"], ["B", "4"], ["ab", "5"]]));
  assertEquals(render("{{range $k, $v := .}}{{$v}}{{end}}", map), "43521");
});

Deno.test("JSON escapes what a terminal would obey", () => {
  assertEquals(render("{{json .}}", "\x1b[2J\x7f\x9b\u2028<"), '"\\u001b[2J\\u007f\\u009b\\u2028<"');
});

Deno.test("a lone surrogate does not break what escapes, counts and encodes", () => {
  const text = "a\ud800b";
  assertEquals(render("{{urlquery .}} {{len .}} {{json .}}", text), 'a%EF%BF%BDb 5 "a\ufffdb"');
});

const deep = (count: number) => "(".repeat(count) + "1" + ")".repeat(count);

Deno.test("depth is bounded, whatever nests: parentheses, blocks, else-ifs, templates", () => {
  assertEquals(render(`{{print ${deep(400)}}}`), "1");
  const nested = (count: number, open: string) => open.repeat(count) + "x" + "{{end}}".repeat(count);
  assertEquals(render(nested(400, "{{if true}}")), "x");
  refuse(`{{print ${deep(100_000)}}}`, "levels of actions and parentheses");
  refuse(nested(10_000, "{{if true}}"), "levels of actions and parentheses");
  refuse(`{{if true}}${"{{else if true}}".repeat(10_000)}{{end}}`, "levels of actions and parentheses");
  refuse(
    '{{define "a"}}{{template "b" .}}{{end}}{{define "b"}}{{if true}}{{template "a" .}}{{end}}{{end}}{{template "a"}}',
    "exceeded maximum template depth",
  );
});

Deno.test("output and padding are bounded", () => {
  const list = new List(Array(1000).fill("x".repeat(1000)));
  refuse("{{range .}}{{range $}}{{.}}{{end}}{{end}}", "characters of output", list);
  refuse('{{pad "x" 1000000000 0}}', "error calling pad");
  assertEquals(render('{{printf "%2000000000d|" 1}}'), "%!(BADWIDTH)1|");
});

Deno.test("a bug in a function is not taken for the template's fault", () => {
  const broken = {
    parameters: [],
    call: () => {
      throw new TypeError("bug");
    },
  };
  const template = new Template("{{lower}}");
  assertThrows(() => template.execute(null, { functions: { lower: broken } }), TypeError, "bug");
  const failing = {
    parameters: [],
    call: () => {
      throw new FunctionError("why");
    },
  };
  assertThrows(
    () => template.execute(null, { functions: { lower: failing } }),
    TemplateError,
    "error calling lower: why",
  );
});

Deno.test("no text, however made, does anything but print or be refused", () => {
  const pieces = [
    "{{",
    "}}",
    "{{-",
    "-}}",
    "(",
    ")",
    ".A",
    "$",
    "$x",
    ":=",
    "=",
    "|",
    ",",
    "if",
    "else",
    "end",
    "range",
    "with",
    "define",
    "template",
    "block",
    "break",
    "continue",
    "printf",
    '"%d"',
    '"',
    "`",
    "'a'",
    "/*",
    "*/",
    "1",
    "-",
    "nil",
    " ",
    "\n",
    "é",
    "\u{1f600}",
    ".",
    "\\",
    "\0",
  ];
  let seed = 7;
  const next = () => (seed = (seed * 1103515245 + 12345) % 2147483648) / 2147483648;
  const value = new GoMap(new Map([["A", new List(["x"])]]));
  let printed = 0;
  for (let round = 0; round < 20_000; round++) {
    const source = Array.from({ length: 1 + next() * 12 }, () => pieces[Math.floor(next() * pieces.length)])
      .join("");
    try {
      render(source, value);
      printed++;
    } catch (error) {
      assert(error instanceof TemplateError, `${JSON.stringify(source)}: ${error}`);
    }
  }
  assert(printed > 1000, `${printed}`);
});
