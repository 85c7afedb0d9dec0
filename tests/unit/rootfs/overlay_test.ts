import { assert, assertEquals } from "@std/assert";
import { overlayOptions } from "../../../src/plan/step.ts";
import { type Lower, type OverlayDriver, overlaySteps } from "../../../src/rootfs/overlay.ts";

const folders = (...layers: string[]): Lower => ({ kind: "folders", layers });
const SAMPLE = {
  lower: folders("/store/layers/3", "/store/layers/1"),
  indexTarget: "/run/id/lower",
  upper: "/store/containers/id/diff",
  work: "/store/containers/id/work",
  target: "/run/id/merged",
  driver: "privileged" as OverlayDriver,
  isVolatile: true,
};

function mountStep(input: Partial<typeof SAMPLE> = {}) {
  const step = overlaySteps({ ...SAMPLE, ...input }).find((step) => step.op === "mount-overlay");
  assert(step?.op === "mount-overlay");
  return step;
}

Deno.test("mounts are made private before the first one is made, and the root is held once it is there", () => {
  assertEquals(overlaySteps(SAMPLE).map(({ op }) => op), [
    "make-mounts-private",
    "mount-overlay",
    "open-root",
  ]);
});

Deno.test("the layers lie top to bottom below the writable one, under names relative to their folder", () => {
  const step = mountStep();
  assertEquals(step.layersFolder, "/store/layers");
  assertEquals(
    overlayOptions(step),
    "lowerdir=3:1,upperdir=/store/containers/id/diff,workdir=/store/containers/id/work,volatile,redirect_dir=nofollow,metacopy=off",
  );
});

Deno.test("the options of 500 layers fit in the one page that mount takes", () => {
  const layers = Array.from({ length: 500 }, (_, index) => `/var/lib/dhow/layers/${10_000 + index}`);
  const upper = `/var/lib/dhow/containers/${"f".repeat(64)}/diff`;
  const work = `/var/lib/dhow/containers/${"f".repeat(64)}/work`;
  assert(
    overlayOptions(mountStep({ lower: folders(...layers), upper, work, driver: "user" })).length <
      4096,
  );
});

Deno.test("a user namespace keeps overlay's attributes where it may read them", () => {
  assertEquals(mountStep({ driver: "user" }).options, ["volatile", "userxattr"]);
  assertEquals(mountStep().options, ["volatile", "redirect_dir=nofollow", "metacopy=off"]);
});

Deno.test("a path with what separates overlay's options is escaped", () => {
  const options = overlayOptions(mountStep({ lower: folders("/l/a:b,c\\d"), upper: "/u,1", work: "/w:1" }));
  assertEquals(
    options,
    "lowerdir=a\\:b\\,c\\\\d,upperdir=/u\\,1,workdir=/w\\:1,volatile,redirect_dir=nofollow,metacopy=off",
  );
});

Deno.test("an index is mounted below the writable layer, and stands for all layers", () => {
  const index: Lower = {
    kind: "erofs",
    loop: false,
    folder: "/store",
    index: "indexes/1",
    devices: ["layers/7.tar"],
  };
  const [, mount, overlay] = overlaySteps({ ...SAMPLE, lower: index });
  assert(mount?.op === "mount-index" && overlay?.op === "mount-overlay");
  assertEquals([mount.folder, mount.index, mount.devices], ["/store", "indexes/1", ["layers/7.tar"]]);
  assertEquals([mount.target, overlay.layersFolder, overlay.lower], ["/run/id/lower", "/run/id", ["lower"]]);
});
