import { assertEquals, assertThrows } from "@std/assert";
import { ImageError } from "../../../../src/errors.ts";
import { endpoints, isLoopback, mayLeadTo } from "../../../../src/image/registry/endpoint.ts";

const WHAT = "cannot test";

for (const domain of ["localhost:99999", "256.1.1.1", "[::::1]:5000"]) {
  Deno.test(`${domain}, which a name may hold, is told to be no address`, () => {
    const said =
      `cannot test: "${domain}" is no address that a registry could have; check the registry's name and port`;
    assertThrows(() => endpoints(domain, false, WHAT), ImageError, said);
  });
}

for (
  const [domain, isInsecure, expected] of [
    ["docker.io", false, ["https://registry-1.docker.io/"]],
    ["example.com", false, ["https://example.com/"]],
    ["example.com:5000", false, ["https://example.com:5000/"]],
    ["example.com:5000", true, ["https://example.com:5000/", "http://example.com:5000/"]],
    ["localhost:5000", false, ["https://localhost:5000/", "http://localhost:5000/"]],
    ["127.9.8.7", false, ["https://127.9.8.7/", "http://127.9.8.7/"]],
    ["[::1]:5000", false, ["https://[::1]:5000/", "http://[::1]:5000/"]],
    ["localhost.example.com", false, ["https://localhost.example.com/"]],
    ["127.0.0.1.example.com", false, ["https://127.0.0.1.example.com/"]],
    ["[::2]", false, ["https://[::2]/"]],
  ] as const
) {
  Deno.test(`${domain}${isInsecure ? " with --insecure" : ""} is looked for at ${expected.join(", then ")}`, () => {
    assertEquals<unknown>(endpoints(domain, isInsecure, WHAT).map(({ href }) => href), expected);
  });
}

for (
  const [host, expected] of [["localhost", true], ["127.1", true], ["[0:0::1]", true], [
    "10.0.0.1",
    false,
  ]] as const
) {
  Deno.test(`${host} is ${expected ? "" : "not "}this machine`, () => {
    assertEquals(isLoopback(new URL(`http://${host}/`)), expected);
  });
}

for (
  const [from, to, isInsecure, expected] of [
    ["https://a.example/", "https://b.example/", false, true],
    ["https://a.example/", "http://b.example/", false, false],
    ["https://a.example/", "http://localhost/", false, false],
    ["https://a.example/", "http://b.example/", true, true],
    ["http://localhost/", "http://127.0.0.1:1/", false, true],
    ["http://localhost/", "http://b.example/", false, false],
    ["http://localhost/", "https://b.example/", false, true],
    ["https://a.example/", "file:///etc/passwd", true, false],
    ["https://a.example/", "data:,x", true, false],
  ] as const
) {
  Deno.test(`${from} ${expected ? "may" : "must not"} lead to ${to}${isInsecure ? " with --insecure" : ""}`, () => {
    assertEquals(mayLeadTo(new URL(from), new URL(to), isInsecure), expected);
  });
}
