import { assert, assertEquals, assertMatch } from "@std/assert";
import { assertSuccess } from "../support/containers.ts";
import { type Detached, detachedTest } from "../support/detached.ts";
import { sameAgain, snapshot } from "../support/snapshot.ts";

const FAR = 2000;
const KILLED = 137;

const BEFORE = ["layers"];

/** The states that a container may be in after a crash, and that nothing of it is left but what its row says. */
async function isInOrder(it: Detached, name: string, allowed: RegExp, when: string): Promise<string> {
  const status = await it.dhow("ps", "-a", "--filter", `name=^${name}$`, "--format", "{{.Status}}");
  assertMatch(status.replace(/ [^()]* ago$/, "").replace(/^Up .*/, "Up"), allowed, when);
  return status;
}

/** Crashes a command after every step, each time on a host that was prepared for it. */
async function crashEverywhere(
  it: Detached,
  fault: string,
  prepare: () => Promise<void>,
  args: readonly string[],
  allowed: RegExp,
  stride = 1,
): Promise<number> {
  // the network, and what is found out about the host, are there from the start
  await prepare();
  await it.host.dhow(["rm", "-f", "it"]);
  const before = await snapshot(it.host);
  for (let step = 1; step < FAR; step += stride) {
    const when = `${args[0]} ${fault}:${step}`;
    await prepare();
    const { code, stderr } = await it.host.dhow(args, { env: { DHOW_FAULT: `${fault}:${step}` } });
    await isInOrder(it, "it", allowed, when);
    assertSuccess(
      await it.host.dhow(["rm", "-f", "it"]).then((output) =>
        /No such container/.test(output.stderr) ? { ...output, code: 0, stderr: "" } : output
      ),
    );
    await sameAgain(it.host, before, BEFORE).catch((cause) => {
      throw new Error(`after ${when}`, { cause });
    });
    if (code !== KILLED && !(fault === "kill-child-step" && code === 125)) {
      assertEquals([code, stderr], [0, ""], when);
      return step - 1;
    }
  }
  throw new Error(`dhow was killed ${FAR} times`);
}

const RUN = ["run", "-d", "--network", "none", "--name", "it", "busybox", "sleep", "1000"];
const nothing = () => Promise.resolve();

detachedTest(
  "dhow killed after any step of run -d: the container runs, or does not, and nothing leaks",
  async (it) => {
    const crashes = await crashEverywhere(it, "kill-after", nothing, RUN, /^(|Created|Up)$/);
    assert(crashes >= 5, `only ${crashes} steps`);
  },
);

detachedTest(
  "dhow killed after any call of a detached container's first process: nothing leaks",
  async (it) => {
    const crashes = await crashEverywhere(it, "kill-child-step", nothing, RUN, /^(|Created|Up)$/, 9);
    assert(crashes >= 50, `only ${crashes} calls`);
  },
);

detachedTest("dhow killed after any step of start: the container can be started again", async (it) => {
  const create = () =>
    it.dhow("create", "--network", "none", "--name", "it", "busybox", "sleep", "1000").then(() => {});
  const crashes = await crashEverywhere(it, "kill-after", create, ["start", "it"], /^(Created|Up)$/);
  assert(crashes >= 5, `only ${crashes} steps`);
  for (let step = 1; step <= crashes; step++) {
    await create();
    await it.host.dhow(["start", "it"], { env: { DHOW_FAULT: `kill-after:${step}` } });
    await it.dhow("start", "it");
    assertEquals(await it.dhow("ps", "--format", "{{.Names}}"), "it", `after start kill-after:${step}`);
    await it.dhow("kill", "it");
    assertEquals(await it.dhow("wait", "it"), "137", `after start kill-after:${step}`);
    await it.dhow("rm", "it");
  }
});

for (
  const { args, allowed } of [
    { args: ["stop", "-t", "0", "it"], allowed: /^(Up|Exited \(137\))$/ },
    { args: ["rm", "-f", "it"], allowed: /^(|Up|Exited \(137\))$/ },
    { args: ["restart", "-t", "0", "it"], allowed: /^(Up|Exited \(137\))$/ },
  ]
) {
  detachedTest(
    `dhow killed after any step of ${args[0]}: the container runs or has ended, and nothing leaks`,
    async (it) => {
      const start = () => it.named("it").then(() => {});
      const crashes = await crashEverywhere(it, "kill-after", start, args, allowed);
      assert(crashes >= 3, `only ${crashes} steps`);
    },
  );
}

detachedTest(
  "what cleans up after a container is killed after any step: the exit code is known all the same",
  async (it) => {
    const before = await snapshot(it.host);
    const env = (step: number) => ({ env: { DHOW_FAULT_LATER: `kill-after:${step}` } });
    for (const step of [1, 2, 3]) {
      const args = ["run", "-d", "--network", "none", "--name", "it", "busybox", "sh", "-c", "exit 23"];
      assertSuccess(await it.host.dhow(args, env(step)));
      assertEquals(await it.dhow("wait", "it"), "23", `ended kill-after:${step}`);
      await it.dhow("rm", "it");
      await sameAgain(it.host, before, BEFORE);
    }
  },
);

detachedTest(
  "a monitor that is killed: the container is ended, its exit code unknown, and nothing leaks",
  async (it) => {
    const before = await snapshot(it.host);
    const id = await it.start(["sleep", "1000"]);
    await it.host.succeed(["kill", "-KILL", `${await it.monitor(id)}`]);
    assertEquals(await it.status(id), "Exited (255)");
    assert(!it.host.processes().some(({ command }) => command === "sleep 1000"));
    assertEquals(await it.dhow("wait", id), "255");
    await it.dhow("start", id);
    assertEquals(await it.status(id), "Up");
    await it.dhow("rm", "-f", id);
    await sameAgain(it.host, before, BEFORE);
  },
);

detachedTest(
  "a container that ends at the same instant as stop, kill and rm -f keeps its exit code, or is gone",
  async (it) => {
    const before = await snapshot(it.host);
    for (let round = 0; round < 10; round++) {
      const id = await it.script("exit 7");
      const [stop, remove] = await Promise.all([
        it.host.dhow(["stop", "-t", "0", id]),
        round % 2 === 0 ? it.host.dhow(["rm", "-f", id]) : it.host.dhow(["wait", id]),
      ]);
      assertEquals(remove.code, 0, remove.stderr);
      if (round % 2 === 1) {
        assertEquals(stop.code, 0, stop.stderr);
        assertMatch(remove.stdout, /^(7|137)\n$/);
        await it.dhow("rm", id);
      } else {
        assert(stop.code === 0 || /No such container/.test(stop.stderr), stop.stderr);
      }
    }
    await sameAgain(it.host, before, BEFORE);
  },
);

detachedTest(
  "commands that settle the same container at once: one does it, and all see it done",
  async (it) => {
    const before = await snapshot(it.host);
    for (let round = 0; round < 3; round++) {
      const id = await it.start(["sleep", "1000"]);
      await it.host.succeed(["kill", "-KILL", `${await it.monitor(id)}`]);
      const seen = await Promise.all(
        Array.from(
          { length: 6 },
          (_, index) => index === 0 ? it.dhow("start", id) : it.dhow("ps", "-aq", "--no-trunc"),
        ),
      );
      assertEquals(seen, Array(6).fill(id));
      assertEquals(await it.status(id), "Up", "a late clean-up has ended the new run");
      await it.dhow("rm", "-f", id);
    }
    await sameAgain(it.host, before, BEFORE);
  },
);

detachedTest(
  "six commands that remove the same container at once: it is gone, and nobody crashes",
  async (it) => {
    const id = await it.start(["sleep", "1000"]);
    const outputs = await Promise.all(Array.from({ length: 6 }, () => it.host.dhow(["rm", "-f", id])));
    for (const { code, stderr } of outputs) {
      assert(code === 0 || /No such container/.test(stderr), stderr);
    }
    assertEquals(await it.dhow("ps", "-aq"), "");
  },
);
