import { assertEquals } from "@std/assert";
import { parseChallenges } from "../../../../src/image/registry/challenge.ts";

for (
  const [header, expected] of [
    ["", []],
    ["Basic realm=x", [["basic", { realm: "x" }]]],
    ['Basic realm="Registry Realm"', [["basic", { realm: "Registry Realm" }]]],
    [
      'Bearer realm="https://auth.example/token",service="registry.example",scope="repository:a/b:pull,push"',
      [["bearer", {
        realm: "https://auth.example/token",
        service: "registry.example",
        scope: "repository:a/b:pull,push",
      }]],
    ],
    [
      'Basic realm="a, b", Bearer realm="c" , service = d',
      [["basic", { realm: "a, b" }], ["bearer", { realm: "c", service: "d" }]],
    ],
    ['BEARER REALM="x\\"y\\\\z"', [["bearer", { realm: 'x"y\\z' }]]],
    ["Negotiate, Basic realm=x", [["negotiate", {}], ["basic", { realm: "x" }]]],
    ["Negotiate YII=, Basic realm=x", [["negotiate", {}], ["basic", { realm: "x" }]]],
    ['Bearer realm="unfinished', [["bearer", {}], ["realm", {}]]],
    ["  ,, ,Basic realm=x,,", [["basic", { realm: "x" }]]],
    ["\u0000Basic realm=x", []],
    ['Basic __proto__="x"', [["basic", JSON.parse('{"__proto__":"x"}')]]],
  ] as const
) {
  Deno.test(`the challenges in ${JSON.stringify(header)}`, () => {
    const found = parseChallenges(header).map(({ scheme, parameters }) => [
      scheme,
      [...parameters],
    ]);
    assertEquals<unknown>(
      found,
      expected.map(([scheme, parameters]) => [scheme, Object.entries(parameters)]),
    );
  });
}

Deno.test("a header made to be slow is read fast", () => {
  // would take minutes with a pattern that tries every way to split it
  parseChallenges(`Bearer ${'a="'.repeat(20_000)}`);
  parseChallenges(`Bearer x="${"\\".repeat(50_001)}`);
});
