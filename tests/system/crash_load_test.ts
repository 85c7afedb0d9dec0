import { assert, assertEquals } from "@std/assert";
import { assertSuccess } from "../support/containers.ts";
import { killedAtEach } from "../support/faults.ts";
import type { Host } from "../support/host.ts";
import { archive } from "../support/image.ts";
import { busyboxArchive, busyboxLayer } from "../support/images.ts";
import { sameAgain, snapshot } from "../support/snapshot.ts";
import { systemTest } from "../support/system_test.ts";

const FAR = 2000;
const KILLED = 137;

/** Crashes a command at every step, until it is through; every time the store must be as it was, or complete. */
async function crashEverywhere(
  host: Host,
  args: readonly string[],
  check: (host: Host) => Promise<void>,
): Promise<number> {
  for (let step = 1; step < FAR; step++) {
    const before = await snapshot(host);
    const { code, stderr } = await host.dhow(args, { env: { DHOW_FAULT: `kill-after:${step}` } });
    if (code !== KILLED) {
      assertEquals([code, stderr], [0, ""], `kill-after:${step}`);
      await check(host);
      return step - 1;
    }
    const { code: next, stdout } = await host.dhow(["images", "-q"]);
    assertEquals(next, 0, `the command after kill-after:${step}`);
    // what came before the crash either counts or is gone
    if (stdout === "") await sameAgain(host, before, ["layers"]);
    else await check(host);
  }
  throw new Error(`dhow was killed ${FAR} times`);
}

systemTest("dhow killed after any step of load: the image is there, whole, or it is not", async (host) => {
  const path = await busyboxArchive();
  const crashes = await crashEverywhere(host, ["load", "-q", "-i", path], async () => {
    const output = await host.dhow(["run", "--network", "none", "busybox", "cat", "/var/www/index.html"]);
    assertSuccess(output);
    assertEquals(output.stdout, "hello from a container\n");
  });
  assert(crashes >= 2, `only ${crashes} steps`);
});

systemTest(
  "after a load that was killed the next one is complete, and has no folder more than it needs",
  async (host) => {
    const layers = Array.from({ length: 5 }, (_, index) => [{ path: `file-${index}`, content: `${index}` }]);
    const path = await host.write("image.tar", archive({ layers: [busyboxLayer(), ...layers] }));
    await killedAtEach(5, async (step) => {
      const root = host.file("store");
      const env = { DHOW_FAULT: `kill-after:${step}` };
      const { code } = await host.dhow(["--root", root, "load", "-q", "-i", path], { env });
      assertSuccess(await host.dhow(["--root", root, "images", "-q"]));
      const loaded = await host.dhow(["--root", root, "load", "-q", "-i", path]);
      assertEquals([loaded.code, loaded.stdout], [0, "Loaded image: test:latest\n"]);
      assertEquals(
        (await host.shell(`ls ${root}/layers | grep -v skeleton`)).trim().split("\n").length,
        6,
        `after kill-after:${step}`,
      );
      const { stdout } = await host.dhow([
        "--root",
        root,
        "run",
        "--network",
        "none",
        "test",
        "sh",
        "-c",
        "cat /file-*",
      ]);
      assertEquals(stdout, "01234");
      await host.shell(`rm -r ${root}`);
      return code === KILLED;
    });
  },
);

systemTest("a killed run of an archive that was not loaded leaves no half layer", async (host) => {
  const path = await busyboxArchive();
  const crashes = await crashEverywhere(host, ["run", "--network", "none", path, "true"], async () => {
    assertSuccess(await host.dhow(["run", "--network", "none", path, "true"]));
  });
  assert(crashes >= 5, `only ${crashes} steps`);
});
