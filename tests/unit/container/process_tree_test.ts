import { assertEquals } from "@std/assert";
import { ProcessTree } from "../../../src/container/process_tree.ts";
import { identify, isAlive, type ProcessIdentity } from "../../../src/state/process_identity.ts";
import { eventually } from "../../support/eventually.ts";
import { Running } from "../../support/process.ts";

/** Starts a script in a session of its own that prints pids, and waits for so many. */
async function start(
  script: string,
  count: number,
): Promise<{ running: Running; members: ProcessIdentity[] }> {
  const running = new Running(["sh", "-c", `setsid sh -c '${script}' & wait`]);
  const [text] = await running.stdout.until(new RegExp(`^(\\d+\n){${count}}`));
  return { running, members: text.trim().split("\n").map(Number).map(identify) };
}

Deno.test("a tree of processes is killed: also what has another session, or whose parent has ended", async () => {
  const orphan = "(sleep 1002 & echo $!)";
  const script = `echo $$; setsid sh -c "echo \\$\\$; sleep 1000" & ${orphan}; sleep 1001 & echo $!; wait`;
  const { running, members } = await start(script, 4);
  await using _ = running;
  const tree = new ProcessTree(running.pid);
  assertEquals(tree.kill(), true);
  await eventually(() => {
    tree.kill();
    assertEquals(members.filter((member) => isAlive(member)), []);
  });
  // what the shells have started for themselves has not said its pid, and may end last
  await eventually(() => assertEquals(tree.kill(), false));
});

Deno.test("processes that do not belong to a tree are left alone", async () => {
  await using other = new Running(["sleep", "1000"]);
  await using root = new Running(["sleep", "1000"]);
  assertEquals(new ProcessTree(root.pid).kill(), false);
  assertEquals([isAlive(identify(other.pid)), isAlive(identify(root.pid))], [true, true]);
});
