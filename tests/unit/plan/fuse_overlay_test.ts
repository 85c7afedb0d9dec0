import { assertEquals } from "@std/assert";
import { argumentsOf } from "../../../src/plan/fuse_overlay.ts";

const SAMPLE = {
  path: "/usr/bin/fuse-overlayfs",
  lower: ["/home/a:b,c\\d/layers/3", "/home/a:b,c\\d/layers/1"],
  upper: "/home/a:b,c\\d/containers/id/diff",
  work: "/home/a:b,c\\d/containers/id/work",
  isVolatile: true,
  folder: "/run/id",
};

Deno.test("fuse-overlayfs is told of folders by paths that are relative to the image's layers, whatever the state folder's name", () => {
  assertEquals(argumentsOf(SAMPLE), [
    "/usr/bin/fuse-overlayfs",
    "-f",
    "-o",
    "lowerdir=3:1,upperdir=../containers/id/diff,workdir=../containers/id/work,writeback=0,volatile",
    "/dev/fd/3",
  ]);
});

Deno.test("without a writable layer fuse-overlayfs gets none; one that stays is not volatile", () => {
  const above = ["/home/a:b,c\\d/containers/id/diff", ...SAMPLE.lower];
  const [, , , options] = argumentsOf({ ...SAMPLE, lower: above, upper: undefined, isVolatile: false });
  assertEquals(options, "lowerdir=../containers/id/diff:3:1,writeback=0");
});

Deno.test("what separates options is escaped for fuse-overlayfs", () => {
  const [, , , options] = argumentsOf({ ...SAMPLE, upper: "/home/u,1", work: "/home/w", isVolatile: false });
  assertEquals(options, "lowerdir=3:1,upperdir=../../u\\,1,workdir=../../w,writeback=0");
});
