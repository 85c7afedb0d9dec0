import { assertEquals, assertThrows } from "@std/assert";
import { UsageError } from "../../../src/errors.ts";
import {
  choosePlatform,
  distance,
  formatPlatform,
  parsePlatform,
  thisPlatform,
} from "../../../src/image/platform.ts";

for (
  const [text, normal] of [
    ["linux/amd64", "linux/amd64"],
    ["linux/arm64/v8", "linux/arm64/v8"],
    ["LINUX/ARM/V7", "linux/arm/v7"],
    ["linux/x86_64", "linux/amd64"],
    ["linux/x86-64", "linux/amd64"],
    ["linux/aarch64", "linux/arm64"],
    ["linux/armhf", "linux/arm/v7"],
    ["linux/armel", "linux/arm/v6"],
    ["linux/i386", "linux/386"],
    ["windows/amd64", "windows/amd64"],
    ["linux/constructor", "linux/constructor"],
    ["arm64", "linux/arm64"],
    ["AMD64", "linux/amd64"],
    ["aarch64", "linux/arm64"],
    ["armhf", "linux/arm/v7"],
    ["linux", formatPlatform(thisPlatform())],
  ] as const
) {
  Deno.test(`--platform ${text} means ${normal}`, () => {
    assertEquals(formatPlatform(parsePlatform(text)), normal);
  });
}

for (
  const text of ["", "constructor", "z80", "linux/", "/amd64", "linux/arm/v7/x", "linux amd64", "linux/arm/"]
) {
  Deno.test(`--platform ${JSON.stringify(text)} is refused`, () => {
    assertThrows(() => parsePlatform(text), UsageError, "os/architecture[/variant]");
  });
}

for (
  const [wanted, offered, expected] of [
    ["linux/amd64", "linux/amd64", 0],
    ["linux/amd64", "linux/arm64", undefined],
    ["linux/amd64", "windows/amd64", undefined],
    ["linux/amd64", "linux/amd64/v1", 0],
    ["linux/amd64", "linux/amd64/v2", undefined],
    ["linux/amd64/v3", "linux/amd64", 2],
    ["linux/arm64", "linux/arm64/v8", 0],
    ["linux/arm64/v8", "linux/arm64", 0],
    ["linux/arm64", "linux/arm64/v9", undefined],
    ["linux/arm64/v9", "linux/arm64", 1],
    ["linux/arm64", "linux/arm/v7", undefined],
    ["linux/arm", "linux/arm/v7", 0],
    ["linux/arm/v7", "linux/arm", 0],
    ["linux/arm/v7", "linux/arm/v6", 1],
    ["linux/arm/v7", "linux/arm/v5", 2],
    ["linux/arm/v6", "linux/arm/v7", undefined],
    ["linux/arm/v6", "linux/arm", undefined],
    ["linux/ppc64le", "linux/ppc64le", 0],
    ["linux/ppc64le", "linux/ppc64le/power9", undefined],
    ["linux/mips64le/hardfloat", "linux/mips64le/softfloat", undefined],
    ["linux/constructor", "linux/constructor/v1", undefined],
  ] as const
) {
  Deno.test(`an image for ${offered} ${expected === undefined ? "does not run" : "runs"} on ${wanted}`, () => {
    assertEquals(distance(parsePlatform(wanted), parsePlatform(offered)), expected);
  });
}

Deno.test("of several platforms the nearest is chosen, and of equal ones the first", () => {
  const offers = ["linux/arm/v5", "linux/arm/v6", "linux/arm/v7", "linux/arm", "linux/arm64"].map((name) => ({
    name,
    platform: parsePlatform(name),
  }));
  const chosen = (wanted: string) => choosePlatform(parsePlatform(wanted), offers)?.name;
  assertEquals(chosen("linux/arm"), "linux/arm/v7");
  assertEquals(chosen("linux/arm/v6"), "linux/arm/v6");
  assertEquals(chosen("linux/arm/v8"), "linux/arm/v7");
  assertEquals(chosen("linux/arm64"), "linux/arm64");
  assertEquals(chosen("linux/amd64"), undefined);
});

Deno.test("this machine is for Linux, on a CPU that Go has a name for", () => {
  assertEquals(formatPlatform(thisPlatform()), Deno.build.arch === "aarch64" ? "linux/arm64" : "linux/amd64");
});
