import { assert, assertEquals } from "@std/assert";
import { assertSuccess } from "../support/containers.ts";
import { killedAtEach } from "../support/faults.ts";
import type { Host } from "../support/host.ts";
import { busyboxArchive } from "../support/images.ts";
import type { Output } from "../support/process.ts";
import { sameAgain, type Snapshot, snapshot } from "../support/snapshot.ts";
import { METHODS, useMethod } from "../support/own_ids.ts";
import { systemTest } from "../support/system_test.ts";

/** More steps than a run can have: a fault that never comes is found out. */
const FAR = 2000;
const KILLED = 137;

/** The image is in the store, also as a user namespace needs it, and no network is left from that. */
async function prepared(host: Host): Promise<Snapshot> {
  await host.dhow(["load", "-q", "-i", await busyboxArchive()]);
  await host.dhow(["run", "--userns", "--network", "none", "busybox", "true"]);
  return await snapshot(host);
}

function crashing(host: Host, fault: string, args: readonly string[]): Promise<Output> {
  return host.dhow(args, { env: { DHOW_FAULT: fault } });
}

/** After a crash: one command, which says nothing of it, and the host is as it was. */
async function cleanedUp(host: Host, before: Snapshot, when: string): Promise<void> {
  try {
    assertSuccess(await host.dhow(["images", "-q"]));
    await sameAgain(host, before);
  } catch (error) {
    throw new Error(`after ${when}`, { cause: error });
  }
}

/** @returns how many different crashes there were */
async function crashEverywhere(
  host: Host,
  fault: string,
  flags: readonly string[],
): Promise<number> {
  const before = await prepared(host);
  for (let step = 1; step < FAR; step++) {
    const { code, stdout, stderr } = await crashing(host, `${fault}:${step}`, [
      "run",
      ...flags,
      "busybox",
      "echo",
      "ran",
    ]);
    const when = `${fault}:${step}`;
    // where both wait for each other anyway, dhow may notice that the child stopped, before it is killed
    if (code !== KILLED && !(fault === "kill-child-step" && code === 125)) {
      assertEquals([code, stdout, stderr], [0, "ran\n", ""], when);
      await cleanedUp(host, before, `${when}, which never came`);
      return step - 1;
    }
    await cleanedUp(host, before, when);
  }
  throw new Error(`dhow was killed ${FAR} times`);
}

systemTest("dhow killed after any step of a run: the next command finds and undoes it", async (host) => {
  const crashes = await crashEverywhere(host, "kill-after", []);
  assert(crashes >= 10, `only ${crashes} steps`);
});

systemTest(
  "dhow killed after any step of a run without network: the next command undoes it",
  async (host) => {
    const crashes = await crashEverywhere(host, "kill-after", ["--network", "none"]);
    assert(crashes >= 5, `only ${crashes} steps`);
  },
);

systemTest("dhow killed after any step of a run with --userns: the next command undoes it", async (host) => {
  const crashes = await crashEverywhere(host, "kill-after", ["--userns"]);
  assert(crashes >= 10, `only ${crashes} steps`);
});

systemTest(
  "dhow killed after any step of a run with ids of its own: the next command undoes it",
  async (host) => {
    for (const method of METHODS) {
      await useMethod(host, method);
      const crashes = await crashEverywhere(host, "kill-after", ["--userns", "auto", "--network", "none"]);
      assert(crashes >= 6, `only ${crashes} steps`);
    }
  },
);

systemTest("dhow killed after any step of a run with limits: the next command undoes it", async (host) => {
  const limits = ["-m", "64m", "--cpuset-cpus", "0", "--cgroup-parent", "/outer/inner"];
  await crashEverywhere(host, "kill-after", ["--network", "none", ...limits]);
});

systemTest(
  "dhow killed after any call of the container's first process: the next command undoes it",
  async (host) => {
    const crashes = await crashEverywhere(host, "kill-child-step", []);
    assert(crashes >= 50, `only ${crashes} calls`);
  },
);

systemTest(
  "dhow killed after any step, beside a run that is not: that one is not disturbed",
  async (host) => {
    const before = await prepared(host);
    await killedAtEach(10, async (step) => {
      await using other = host.spawnDhow([
        "run",
        "-i",
        "busybox",
        "sh",
        "-c",
        "echo up; cat; wget -qO- http://web.example.test/cgi-bin/address",
      ]);
      const killed = crashing(host, `kill-after:${step}`, ["run", "busybox", "echo", "ran"]);
      await other.stdout.until(/up/);
      const { code } = await killed;
      assertSuccess(await host.dhow(["images", "-q"])); // cleans up, but not what is in use
      const { code: otherCode, stdout, stderr } = await other.output();
      assertEquals([otherCode, stdout, stderr], [0, "up\n198.51.100.2\n", ""], `kill-after:${step}`);
      await cleanedUp(host, before, `kill-after:${step} beside another run`);
      return code === KILLED;
    });
  },
);

systemTest("two runs killed at once, each after any step: the next command undoes both", async (host) => {
  const before = await prepared(host);
  await killedAtEach(10, async (step) => {
    const outputs = await Promise.all(
      [step, Math.max(1, step - 3)].map((each) =>
        crashing(host, `kill-after:${each}`, ["run", "busybox", "echo", "ran"])
      ),
    );
    await cleanedUp(host, before, `kill-after:${step} and :${Math.max(1, step - 3)} at once`);
    return outputs.some(({ code }) => code === KILLED);
  });
});

systemTest("after a crash the next run can have the same name and address", async (host) => {
  await prepared(host);
  const args = ["run", "--name", "it", "--ip", "100.100.1.9", "busybox", "hostname", "-i"];
  await killedAtEach(10, async (step) => {
    const { code } = await crashing(host, `kill-after:${step}`, args);
    const { stdout, stderr } = await host.dhow(args);
    assertEquals([stdout, stderr], ["100.100.1.9\n", ""], `after kill-after:${step}`);
    return code === KILLED;
  });
});
