import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { CommandError, HostError, ImageError } from "../../../src/errors.ts";
import { execute } from "../../../src/plan/execute.ts";
import type { Surroundings } from "../../../src/plan/executor.ts";
import type { ChildStep, HostStep, Undo } from "../../../src/plan/step.ts";
import { isAlive } from "../../../src/state/process_identity.ts";

/** Steps that need no privilege: a child without namespaces, which waits and then becomes a program. */
const start = (...steps: ChildStep[]): HostStep => ({
  do: "start-child",
  why: "start",
  namespaces: [],
  steps,
});
/** Among other things, it unblocks the signals that are blocked while a child prepares itself. */
const reset: ChildStep = {
  op: "reset-process",
  why: "reset",
  changedSignals: [15],
  openFiles: { soft: 64, hard: 64 },
};
const wait = { op: "await-release", why: "wait", reports: true } as const;
const become = (...args: string[]): ChildStep => ({
  op: "execute",
  why: "become it",
  args,
  env: ["PATH=/usr/bin:/bin"],
  init: false,
});
const release = { do: "release-child", why: "let it go on", reports: true } as const;
const fails: HostStep = { do: "write-file", why: "fail", path: "/proc/self/status/x", text: "", mode: 0o644 };

function surroundings(): Surroundings & { readonly undos: Undo[] } {
  const undos: Undo[] = [];
  return {
    undos,
    record: (undo) => undos.push(undo),
    sockets: [],
    publishNames: () => Promise.resolve(),
    makeNetwork: () => Promise.resolve(),
    terminalOpened: () => {},
  };
}

function onlyChild({ undos }: { undos: Undo[] }) {
  const [undo, ...others] = undos;
  assert(undo?.undo === "kill" && others.length === 0);
  return undo;
}

for (
  const [script, status] of [["exit 0", { code: 0 }], ["exit 7", { code: 7 }], ["kill -9 $$", {
    signal: 9,
  }]] as const
) {
  Deno.test(`a program that does "${script}" is told by how it ended`, async () => {
    const child = await execute([start(wait, reset, become("sh", "-c", script)), release], surroundings());
    assertEquals(await child.ended, status);
  });
}

for (const reports of [true, false]) {
  const how = reports ? "" : ", also when dhow has nothing to do in between";
  Deno.test(`the child is written down while it waits, so before it can do anything${how}`, async () => {
    const around = surroundings();
    let program: string | undefined;
    const record = (undo: Undo) => {
      around.record(undo);
      if (undo.undo !== "kill") return;
      // asleep: it waits for a byte, or it is already the program
      while (!/\) S /.test(Deno.readTextFileSync(`/proc/${undo.pid}/stat`)));
      program = Deno.readLinkSync(`/proc/${undo.pid}/exe`);
    };
    const steps = [start({ ...wait, reports }, reset, become("sleep", "1000")), { ...release, reports }];
    const child = await execute(steps, { ...around, record });
    assertEquals(program, Deno.execPath());
    child.signal(15);
    assertEquals(await child.ended, { signal: 15 });
    assert(!isAlive(onlyChild(around)));
  });
}

Deno.test("a step that fails while the child waits ends the child, and is the error", async () => {
  const around = surroundings();
  const error = await assertRejects(
    () => execute([start(wait, reset, become("sleep", "1000")), fails, release], around),
    HostError,
  );
  assertMatch(error.message, /\/proc\/self\/status\/x/);
  assert(!isAlive(onlyChild(around)));
});

Deno.test("a child that fails before it waits is told by its own error, not by what comes of its end", async () => {
  const around = surroundings();
  const error = await assertRejects(() =>
    execute([
      start(
        { op: "change-directory", why: "go there", path: "/proc/self/status" },
        wait,
        reset,
        become("true"),
      ),
      release,
    ], around)
  );
  assert(error instanceof ImageError, String(error));
  assertMatch(error.message, /"\/proc\/self\/status".*ENOTDIR/);
  // it may have been gone before it could be written down
  if (around.undos.length > 0) assert(!isAlive(onlyChild(around)));
});

Deno.test("a program that is not there is told as such, after the child was let go", async () => {
  const child = await execute([start(wait, reset, become("no-such-program")), release], surroundings());
  const error = await assertRejects(() => child.ended, CommandError);
  assertEquals((error as CommandError).exitCode, 127);
});

Deno.test("a file that may not be executed is told as such", async () => {
  const child = await execute([start(wait, reset, become("/etc/passwd")), release], surroundings());
  const error = await assertRejects(() => child.ended, CommandError);
  assertEquals((error as CommandError).exitCode, 126);
});

/** How many ends of pipes this process has open. */
function openPipes(): number {
  const links = [...Deno.readDirSync("/proc/self/fd")].map(({ name }) => {
    try {
      return Deno.readLinkSync(`/proc/self/fd/${name}`);
    } catch {
      return ""; // the descriptor that the folder was read with
    }
  });
  return links.filter((link) => link.startsWith("pipe:")).length;
}

Deno.test("the pipes of the meeting are closed, here and in the program, which has the limits it should", async () => {
  const script =
    'test "$(ls /proc/self/fd | wc -l)" = 4 && test "$(ulimit -n)" = 64 && test "$(umask)" = 0022';
  const before = openPipes();
  const child = await execute([start(wait, reset, become("sh", "-c", script)), release], surroundings());
  assertEquals(await child.ended, { code: 0 });
  assertEquals(openPipes(), before);
});

Deno.test("a program may have fewer descriptors than dhow has when it starts it", async () => {
  using files = new DisposableStack();
  for (let opened = 0; opened < 100; opened++) files.use(Deno.openSync("/dev/null"));
  const script = 'test "$(ulimit -n)" = 64';
  const child = await execute([start(wait, reset, become("sh", "-c", script)), release], surroundings());
  assertEquals(await child.ended, { code: 0 });
});

Deno.test("a signal reaches the program, and none goes anywhere once it has ended", async () => {
  const child = await execute([start(wait, reset, become("sleep", "1000")), release], surroundings());
  child.signal(15);
  assertEquals(await child.ended, { signal: 15 });
  child.signal(15);
});
