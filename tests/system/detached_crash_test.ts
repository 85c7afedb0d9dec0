import { assert, assertEquals, assertMatch } from "@std/assert";
import { assertSuccess } from "../support/containers.ts";
import { type Detached, detachedTest } from "../support/detached.ts";
import { eventually } from "../support/eventually.ts";
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

interface Extras {
  /** Every which step: 1 if it is not said. */
  readonly stride?: number;
  /** What must hold after a crash, besides the state. */
  readonly check?: (it: Detached, when: string) => Promise<void>;
  /** Takes back what `prepare` and the command have made besides the container. */
  readonly clean?: (it: Detached) => Promise<void>;
}

/** Crashes a command after every step, each time on a host that was prepared for it. */
async function crashEverywhere(
  it: Detached,
  fault: string,
  prepare: () => Promise<void>,
  args: readonly string[],
  allowed: RegExp,
  { stride = 1, check, clean }: Extras = {},
): Promise<number> {
  // the network, and what is found out about the host, are there from the start
  await prepare();
  await it.host.dhow(["rm", "-f", "it"]);
  await clean?.(it);
  const before = await snapshot(it.host);
  for (let step = 1; step < FAR; step += stride) {
    const when = `${args[0]} ${fault}:${step}`;
    await prepare();
    const { code, stderr } = await it.host.dhow(args, { env: { DHOW_FAULT: `${fault}:${step}` } });
    await isInOrder(it, "it", allowed, when);
    await check?.(it, when);
    assertSuccess(
      await it.host.dhow(["rm", "-f", "it"]).then((output) =>
        /No such container/.test(output.stderr) ? { ...output, code: 0, stderr: "" } : output
      ),
    );
    await clean?.(it);
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
const up = (it: Detached) => it.named("it").then(() => {});

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
    const crashes = await crashEverywhere(it, "kill-child-step", nothing, RUN, /^(|Created|Up)$/, {
      stride: 9,
    });
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
      const crashes = await crashEverywhere(it, "kill-after", () => up(it), args, allowed);
      assert(crashes >= 3, `only ${crashes} steps`);
    },
  );
}

/** It runs, and does so when somebody comes: it does not stand still, unless its state says so. */
async function isUsable(it: Detached, when: string): Promise<void> {
  if (/\(Paused\)/.test(await it.dhow("ps", "--format", "{{.Status}}"))) await it.dhow("unpause", "it");
  assertEquals(await it.dhow("exec", "it", "echo", "alive"), "alive", when);
}

const sources = (it: Detached) => it.host.write("source", "copied\n").then(() => {});

/** A container that has ended before it got a policy by which it would have been started again. */
async function ended(it: Detached): Promise<void> {
  await it.named("it", ["false"]);
  await it.dhow("wait", "it");
  await it.dhow("update", "--restart", "always", "it");
  await sources(it);
}

interface CrashCase extends Extras {
  readonly name?: string;
  readonly args: readonly string[];
  /** At least so many steps. */
  readonly steps: number;
  readonly prepare?: (it: Detached) => Promise<void>;
  readonly allowed?: RegExp;
}

const COPY = "/run/host/files/copy";

const CRASHES: readonly CrashCase[] = [
  { args: ["exec", "it", "true"], steps: 2, check: isUsable },
  { args: ["exec", "-d", "it", "sleep", "2000"], steps: 2, check: isUsable },
  { args: ["exec", "-dt", "it", "sleep", "2000"], steps: 2, check: isUsable },
  { args: ["pause", "it"], steps: 1, check: isUsable, allowed: /^Up$/ },
  {
    args: ["unpause", "it"],
    steps: 1,
    check: isUsable,
    prepare: (it) => up(it).then(() => it.dhow("pause", "it")).then(() => {}),
  },
  {
    args: ["rename", "it", "other"],
    steps: 1,
    allowed: /^(|Up)$/,
    check: async (it, when) =>
      assertMatch(await it.dhow("ps", "--format", "{{.Names}}"), /^(it|other)$/, when),
    clean: (it) => it.host.dhow(["rm", "-f", "other"]).then(() => {}),
  },
  { args: ["update", "--restart", "always", "it"], steps: 1, check: isUsable },
  { args: ["kill", "it"], steps: 2, allowed: /^(Up|Exited \(137\))$/ },
  { args: ["kill", "-s", "USR1", "it"], steps: 2, allowed: /^(Up|Exited \(138\))$/ },
  {
    name: "cp into a container that runs",
    args: ["cp", "/run/host/files/source", "it:/tmp/there"],
    steps: 2,
    prepare: (it) => sources(it).then(() => up(it)),
    check: isUsable,
  },
  {
    name: "cp into a container that has ended",
    args: ["cp", "/run/host/files/source", "it:/tmp/there"],
    steps: 4,
    prepare: ended,
    allowed: /^Exited \(1\)$/,
  },
  {
    name: "cp out of a container that has ended",
    args: ["cp", "it:/etc/passwd", COPY],
    steps: 2,
    prepare: ended,
    allowed: /^Exited \(1\)$/,
    clean: (it) => it.host.shell(`rm -rf ${COPY}`).then(() => {}),
  },
  {
    args: ["container", "prune", "-f"],
    steps: 1,
    prepare: (it) =>
      it.named("it", ["sleep", "1000"], ["-v", "/data"]).then(() => it.dhow("kill", "it")).then(() => {}),
    allowed: /^(|Exited \(137\))$/,
    clean: (it) => it.dhow("volume", "prune", "-f").then(() => {}),
  },
  {
    args: ["commit", "it", "committed"],
    steps: 3,
    prepare: (it) => up(it).then(() => it.dhow("exec", "it", "touch", "/changed")).then(() => {}),
    check: async (it, when) => {
      await eventually(async () =>
        assertEquals(await it.dhow("ps", "--format", "{{.State}}"), "running", when)
      );
      await isUsable(it, when);
    },
    clean: (it) => it.host.dhow(["rmi", "-f", "committed"]).then(() => {}),
  },
];

for (const { name, args, steps, prepare = up, allowed = /^Up$/, check, clean } of CRASHES) {
  detachedTest(
    `dhow killed after any step of ${
      name ?? args.join(" ")
    }: the container is as before or after it, and nothing leaks`,
    async (it) => {
      const extras = { ...(check === undefined ? {} : { check }), ...(clean === undefined ? {} : { clean }) };
      const crashes = await crashEverywhere(it, "kill-after", () => prepare(it), args, allowed, extras);
      assert(crashes >= steps, `only ${crashes} steps`);
    },
  );
}

detachedTest(
  "dhow killed after any step of volume create and rm: the volume is there, or not",
  async (it) => {
    const before = await snapshot(it.host);
    for (const verb of [["create", "data"], ["rm", "data"]]) {
      for (let step = 1;; step++) {
        const when = `volume ${verb[0]} kill-after:${step}`;
        if (verb[0] === "rm") await it.dhow("volume", "create", "data");
        const { code } = await it.host.dhow(["volume", ...verb], {
          env: { DHOW_FAULT: `kill-after:${step}` },
        });
        const volumes = await it.dhow("volume", "ls", "-q");
        assertMatch(volumes, /^(|data)$/, when);
        if (volumes === "data") {
          await it.dhow(
            "run",
            "--rm",
            "--network",
            "none",
            "-v",
            "data:/data",
            "busybox",
            "touch",
            "/data/file",
          );
          await it.dhow("volume", "rm", "data");
        }
        await sameAgain(it.host, before, BEFORE);
        if (code === 0) break;
        assertEquals(code, KILLED, when);
      }
    }
  },
);

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
