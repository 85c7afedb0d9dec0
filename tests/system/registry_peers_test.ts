import { assertEquals } from "@std/assert";
import { Docker } from "../support/docker.ts";
import { archive } from "../support/image.ts";
import { busyboxLayer } from "../support/images.ts";
import { type Output, run, Running, succeed } from "../support/process.ts";
import { ADDRESS } from "../support/registry.ts";
import { type Store, storeTest } from "../support/store.ts";

const LAYERS = [busyboxLayer(), [{ path: "greeting", content: "hello\n" }]];
const NAME = `${ADDRESS}/team/app`;

/** A docker, a registry and dhow in one network. */
async function withPeers(
  store: Store,
  test: (docker: Docker, dhow: (...args: string[]) => Promise<Output>) => Promise<void>,
): Promise<void> {
  await using docker = await Docker.start();
  const configuration = {
    version: "0.1",
    storage: { filesystem: { rootdirectory: store.file("registry") } },
    http: { addr: ADDRESS },
  };
  const path = store.write("registry.json", new TextEncoder().encode(JSON.stringify(configuration)));
  await using registry = new Running(docker.enter("docker-registry", "serve", path));
  await registry.stderr.until(/listening on/);
  await test(docker, (...args) => run(docker.enter(...store.command(...args))));
}

function assertGood({ code, stdout, stderr }: Output, expected = stdout): void {
  assertEquals({ code, stdout, stderr }, { code: 0, stdout: expected, stderr: "" });
}

/** The layers of an image, as docker and podman print them. */
const DIFF_IDS = "{{json .RootFS.Layers}}";

storeTest("docker and podman pull what dhow pushed", async (store) => {
  await withPeers(store, async (docker, dhow) => {
    const path = store.write("image.tar", archive({ layers: LAYERS, tags: [`${NAME}:1`] }));
    assertGood(await dhow("load", "-q", "-i", path));
    const pushed = await dhow("push", `${NAME}:1`);
    assertGood(pushed);
    const [digest] = /sha256:[0-9a-f]{64}/.exec(pushed.stdout)!;
    const pulled = await docker.docker("pull", `${NAME}:1`);
    assertEquals([pulled.code, pulled.stdout.includes(`Digest: ${digest}`)], [0, true], pulled.stderr);
    const { stdout: id } = await dhow("image", "inspect", "--format", "{{.Id}}", `${NAME}:1`);
    const inspect = ["image", "inspect", "--format", `{{.Id}}${DIFF_IDS}`, `${NAME}:1`];
    const { stdout: layers } = await dhow("image", "inspect", "--format", DIFF_IDS, `${NAME}:1`);
    assertGood(await docker.docker(...inspect), `${id.trim()}${layers}`);
    const podman = ["podman", "--root", store.file("podman"), "--runroot", store.file("podman-run")]
      .concat(["--storage-driver", "vfs"]);
    await succeed(docker.enter(...podman, "pull", "-q", "--tls-verify=false", `${NAME}:1`));
    assertEquals(await succeed([...podman, ...inspect]), `${id.trim().replace("sha256:", "")}${layers}`);
  });
});

storeTest("dhow pulls what docker pushed, and says so in docker's words", async (store) => {
  await withPeers(store, async (docker, dhow) => {
    const path = store.write("image.tar", archive({ layers: LAYERS, tags: [`${NAME}:1`, `${NAME}:2`] }));
    for (
      const args of [["load", "-q", "-i", path], ["push", "-q", `${NAME}:1`], ["push", "-q", `${NAME}:2`]]
    ) {
      assertEquals((await docker.docker(...args)).code, 0);
    }
    for (const name of [`${NAME}:1`, `${NAME}:2`]) assertGood(await dhow("pull", "-q", name), `${name}\n`);
    const run = await dhow("run", "--network", "none", `${NAME}:1`, "cat", "/greeting");
    assertGood(run, "hello\n");
    for (const args of [["pull", `${NAME}:1`], ["pull", "-q", `${NAME}:1`], ["pull", "-a", NAME]]) {
      const [theirs, ours] = [await docker.docker(...args), await dhow(...args)];
      // docker takes tags in the registry's order, which is none
      const words = ({ stdout }: Output) => stdout.split("\n").sort();
      assertEquals([ours.code, words(ours)], [theirs.code, words(theirs)]);
    }
    const digests = ["image", "inspect", "--format", "{{json .RepoDigests}}", `${NAME}:1`];
    assertEquals((await dhow(...digests)).stdout, (await docker.docker(...digests)).stdout);
  });
});

storeTest("a push of dhow's reads like one of docker's", async (store) => {
  await withPeers(store, async (docker, dhow) => {
    const path = store.write("image.tar", archive({ layers: LAYERS, tags: [`${NAME}:1`] }));
    assertGood(await dhow("load", "-q", "-i", path));
    assertEquals((await docker.docker("load", "-q", "-i", path)).code, 0);
    assertGood(await dhow("push", `${NAME}:1`));
    const read = ({ stdout }: Output) =>
      stdout.split("\n").filter((line) => !/: Preparing$/.test(line)).sort().map((line) =>
        line.replace(/sha256:[0-9a-f]{64} size: \d+/, "…")
      );
    const [theirs, ours] = [await docker.docker("push", `${NAME}:1`), await dhow("push", `${NAME}:1`)];
    // docker has its own compression, and so its own digests: its layers are new
    assertEquals(read(ours), read(theirs).map((line) => line.replace("Pushed", "Layer already exists")));
    const missing = [await docker.docker("push", `${ADDRESS}/no`), await dhow("push", `${ADDRESS}/no`)];
    assertEquals(missing.map(({ code }) => code), [1, 1]);
  });
});
