// Many containers at once, and one after another: nothing fails, and nothing stays.
import { assert, assertEquals, assertMatch } from "@std/assert";
import { type Detached, detachedTest } from "../support/detached.ts";
import { eventually } from "../support/eventually.ts";
import { DHOW, type Host } from "../support/host.ts";
import { memoryOf } from "../support/memory.ts";
import { sameAgain, snapshot } from "../support/snapshot.ts";

/** Lines of a command's output. */
const linesOf = (text: string) => text.split("\n").filter((line) => line !== "");

const numbers = (count: number) => Array.from({ length: count }, (_, index) => index);

const OBEYS = "trap 'exit 3' TERM; while :; do sleep 1000 & wait; done";

detachedTest("twenty commands at once start, stop and remove containers with a network", async (it) => {
  const atOnce = (containers: readonly string[], command: (id: string, number: number) => string[]) =>
    Promise.all(containers.map((id, number) => it.dhow(...command(id, number))));
  const script = (number: number) =>
    `wget -qO- http://web.example.test/; ip -4 -o address show dev eth0; echo ${number} is ready; ${OBEYS}`;

  const ids = await atOnce(
    numbers(20).map(String),
    (number) => ["run", "-d", "busybox", "sh", "-c", script(Number(number))],
  );
  const listed = linesOf(await it.dhow("ps", "--no-trunc", "--format", "{{.ID}} {{.Names}} {{.State}}"))
    .map((line) => line.split(" "));
  assertEquals(listed.map(([id]) => id).sort(), ids.toSorted());
  assertEquals(new Set(listed.map(([, name]) => name)).size, 20);
  assertEquals(new Set(listed.map(([, , state]) => state)), new Set(["running"]));
  const addresses = linesOf(await it.dhow("inspect", "--format", "{{.NetworkSettings.IPAddress}}", ...ids));
  assertEquals(new Set(addresses).size, 20);
  await Promise.all(ids.map((id, number) =>
    eventually(async () => {
      const log = await it.dhow("logs", id);
      assertMatch(
        log,
        new RegExp(`^hello from the internet\n.* inet ${addresses[number]}/.*\n${number} is ready$`),
      );
    })
  ));

  // those that are stopped and those that are removed, each by a command of its own
  const verb = (number: number) => number % 2 === 0 ? ["stop"] : ["rm", "-f"];
  assertEquals(await atOnce(ids, (id, number) => [...verb(number), id]), ids);
  const stopped = ids.filter((_, number) => number % 2 === 0);
  assertEquals(linesOf(await it.dhow("ps", "-aq", "--no-trunc")).sort(), stopped.toSorted());
  assertEquals(
    new Set(
      linesOf(await it.dhow("inspect", "--format", "{{.State.Status}} {{.State.ExitCode}}", ...stopped)),
    ),
    new Set(["exited 3"]),
  );
  assertEquals(await atOnce(stopped, (id) => ["start", id]), stopped);

  // one that does not obey holds up nobody who is named after it
  const stubborn = await it.start(["sleep", "1000"]);
  const obedient = stopped[0]!;
  await eventually(async () => assertMatch(await it.dhow("logs", obedient), /ready[^]*ready$/));
  await using stopping = it.host.spawnDhow(["stop", "-t", "1000", stubborn, obedient]);
  await it.becomes(obedient, "Exited (3)");
  assertEquals(await it.status(stubborn), "Up");
  await it.dhow("kill", stubborn);
  assertEquals((await stopping.output()).stdout, `${stubborn}\n${obedient}\n`);
  await it.dhow("rm", stubborn);

  assertEquals(await atOnce(stopped, (id) => ["rm", "-f", id]), stopped);
  assertEquals(await it.dhow("ps", "-aq"), "");
});

/** Runs a script in the host for each number from 1, four at once. @returns what they printed, in no order */
async function forEachNumber(host: Host, count: number, script: string): Promise<string> {
  const STRIDE = 40; // none of which takes as long as a test waits for a command
  let printed = "";
  for (let first = 1; first <= count; first += STRIDE) {
    const range = `seq ${first} ${Math.min(first + STRIDE - 1, count)}`;
    const run = `${range} | xargs -P 4 -n 1 sh -euc "$1" "$0"`;
    printed += await host.succeed(["sh", "-euc", run, DHOW, script]);
  }
  return printed;
}

/** Whether a process of the host is a dhow with Deno in it. */
function isDeno(host: Host, pid: number): boolean {
  const own = Deno.statSync(DHOW);
  try {
    const { dev, ino } = Deno.statSync(host.path(`/proc/${pid}/exe`));
    return dev === own.dev && ino === own.ino;
  } catch {
    return false; // it has ended, or is a zombie
  }
}

detachedTest(
  "two hundred containers at once: all answer, a monitor each stays, and one command removes them",
  async (it) => {
    const { host } = it;
    const before = host.processes().length;
    await forEachNumber(
      host,
      200,
      `[ $(($1 % 2)) = 0 ] && network=bridge || network=none
     "$0" run -d --name c$1 --network $network busybox sh -c "echo $1 is up; exec sleep 1000" >/dev/null`,
    );
    const names = numbers(200).map((number) => `c${number + 1}`);
    assertEquals(
      linesOf(await it.dhow("ps", "--format", "{{.Names}} {{.State}}")).sort(),
      names.map((name) => `${name} running`).sort(),
    );
    const addresses = linesOf(
      await it.dhow("inspect", "--format", "{{.NetworkSettings.IPAddress}}", ...names),
    );
    assertEquals([addresses.length, new Set(addresses).size], [100, 100]);

    const ask = '[ $(($1 % 4)) -lt 2 ] && "$0" exec c$1 echo $1 is up || "$0" logs c$1';
    const answers = await forEachNumber(host, 200, ask);
    assertEquals(linesOf(answers).sort(), numbers(200).map((number) => `${number + 1} is up`).sort());

    await eventually(() => assertEquals(host.processes().filter(({ pid }) => isDeno(host, pid)), []));
    const monitors = host.processes().filter(({ command }) => command.startsWith("dhow-monitor "));
    assertEquals(monitors.length, 200);
    assertEquals(
      host.processes().length,
      before + 200 + 200,
      "a monitor and a program each, and nothing else",
    );
    const kept = monitors.map(({ pid }) => memoryOf(host.path(`/proc/${pid}`)));
    const sum = kept.reduce((sum, kib) => sum + kib, 0);
    assert(
      kept.every((kib) => kib > 0 && kib <= 0.4 * 1024),
      `${sum / 200} KiB each, at most ${Math.max(...kept)}`,
    );
    const descriptors = monitors.map(({ pid }) => [...Deno.readDirSync(host.path(`/proc/${pid}/fd`))].length);
    assertEquals(new Set(descriptors).size, 1, "as many descriptors for the last as for the first");

    // with few descriptors, so that none can be lost with each
    const removed = await host.succeed([
      "sh",
      "-euc",
      'ulimit -n 150; exec "$@"',
      "sh",
      DHOW,
      "rm",
      "-f",
      ...names,
    ]);
    assertEquals(linesOf(removed).sort(), names.toSorted());
    assertEquals(await it.dhow("ps", "-aq"), "");
  },
);

/**
 * Containers one after another: in the foreground, then by themselves, then one that is started again and again.
 * @returns what descriptors each of the first had
 */
async function series({ host }: Detached, runs: number): Promise<Set<string>> {
  const seen = new Set<string>();
  for (let run = 0; run < runs; run += 30) {
    for (const line of linesOf(await host.succeed(["sh", "-euc", THIRTY_RUNS, DHOW]))) seen.add(line);
  }
  return seen;
}

const THIRTY_RUNS = `
  for run in $(seq 24); do
    "$0" run --rm --network none busybox ls /proc/self/fd | paste -s
  done
  for run in $(seq 3); do
    id=$("$0" run -d --network none busybox sh -c "echo $run; exit 9")
    [ "$("$0" wait $id)" = 9 ]
    [ "$("$0" logs $id)" = $run ]
    "$0" rm $id >/dev/null
    "$0" start again >/dev/null
    [ "$("$0" wait again)" = 4 ]
  done`;

/** What may grow with each run: rows of the database, and bytes of all that dhow keeps. */
async function grown({ host }: Detached): Promise<{ rows: Record<string, number>; bytes: number }> {
  const bytes = bytesBelow(host.path("/var/lib/dhow"));
  // SQLite goes its own way through /proc/PID/root, and would open the machine's
  return { bytes, rows: JSON.parse(await host.succeed(["python3", "-c", COUNT])) };
}

const COUNT = `
import json, sqlite3
database = sqlite3.connect("file:/var/lib/dhow/dhow.db?mode=ro", uri=True)
tables = [name for name, in database.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
print(json.dumps({name: database.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0] for name in tables}))`;

function bytesBelow(folder: string): number {
  let bytes = 0;
  for (const { name, isDirectory } of Deno.readDirSync(folder)) {
    bytes += isDirectory ? bytesBelow(`${folder}/${name}`) : Deno.lstatSync(`${folder}/${name}`).size;
  }
  return bytes;
}

detachedTest("run after run: none fails, and nothing stays or grows", async (it) => {
  const log = ["--log-opt", "max-size=2k", "--log-opt", "max-file=2"];
  const again = ["create", "--name", "again", "--network", "none", ...log, "busybox"];
  await it.dhow(...again, "sh", "-c", "seq 100; exit 4");
  // events fill the place that they may have
  const first = await series(it, 270);
  const before = await snapshot(it.host);
  const then = await grown(it);
  const last = await series(it, 60);
  await sameAgain(it.host, before);
  const now = await grown(it);
  assertEquals([first.size, last], [1, first]);
  assertEquals(now.rows, then.rows);
  assertEquals(now.rows.events, 1000);
  assert(now.bytes < then.bytes * 1.05, `${then.bytes} bytes have become ${now.bytes}`);
});
