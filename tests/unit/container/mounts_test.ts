import { assertEquals } from "@std/assert";
import { type MountRequest, normalPath, settleMounts } from "../../../src/container/mounts.ts";

const VOLUME = { type: "volume", readOnly: false, noCopy: false } as const;

function settle(requests: readonly MountRequest[], imageVolumes: readonly string[]) {
  let count = 0;
  return settleMounts(requests, imageVolumes, () => `made${++count}`);
}

Deno.test("volumes that nobody has named get names, and are known as such", () => {
  const { mounts, anonymous } = settle(
    [{ ...VOLUME, name: undefined, target: "/a" }, { ...VOLUME, name: "mine", target: "/b" }],
    ["/c/"],
  );
  assertEquals(mounts.map((mount) => mount.type === "volume" && [mount.name, mount.target]), [
    ["made1", "/a"],
    ["mine", "/b"],
    ["made2", "/c"],
  ]);
  assertEquals(anonymous, ["made1", "made2"]);
});

Deno.test("an image's volume gives way to whatever the user mounts there", () => {
  const tmpfs = { type: "tmpfs", target: "/data", readOnly: false, options: [] } as const;
  assertEquals(settle([tmpfs], ["/data", "/x/../data/"]).mounts, [tmpfs]);
});

Deno.test("an image cannot have a volume at its root, twice, or at what is no path", () => {
  assertEquals(settle([], ["/", "/..", "relative", "", "/a\0b"]).mounts, []);
  assertEquals(settle([], ["/a", "/a/", "//a"]).mounts.length, 1);
});

Deno.test("a path in a container has no dots and no double slashes", () => {
  const paths = ["/", "/a", "/a/", "//a//b/./c/..", "/../../x", "a", ""];
  assertEquals(paths.map(normalPath), ["/", "/a", "/a", "/a/b", "/x", undefined, undefined]);
});
