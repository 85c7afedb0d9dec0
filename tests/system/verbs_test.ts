/** What holds for every verb that is about containers or volumes: how it takes names, and what it says of mistakes. */
import { assertEquals, assertMatch } from "@std/assert";
import { assertFailure } from "../support/containers.ts";
import { type Detached, detachedTest } from "../support/detached.ts";

/** A verb, with a container or a volume where `%` is. */
interface Verb {
  readonly words: string;
  /** Whether it takes several at once. */
  readonly takesMany?: boolean;
  /** What it prints, in place of the name that it was given, if that tells what it was done with. */
  readonly prints?: RegExp;
  /** Its exit code when there is no such container, if that is not 1. */
  readonly missing?: number;
}

/** In this order, each finds a container named `one` as the one before it has left it; the first, one that runs. */
const CONTAINER_VERBS: readonly Verb[] = [
  { words: "logs %", prints: /^up\n$/ },
  { words: "exec % cat /proc/sys/kernel/hostname", prints: /^host-one\n$/ },
  { words: "inspect -f {{.Config.Hostname}} %", takesMany: true, prints: /^host-one\n/ },
  { words: "container inspect -f {{.Config.Hostname}} %", takesMany: true, prints: /^host-one\n/ },
  { words: "top %", prints: /sleep/ },
  { words: "stats --no-stream --format {{.PIDs}} %", takesMany: true, prints: /^2\n/ },
  { words: "port %", prints: /^$/ },
  { words: "cp %:/etc/hostname -", prints: /host-one\n/ },
  { words: "cp /etc/hostname %:/tmp/x", prints: /^$/ },
  { words: "diff %", prints: /\/made\n/ },
  { words: "export %", prints: /made\0/ },
  { words: "commit %", prints: /^sha256:/ },
  { words: "update --restart no %", takesMany: true },
  { words: "run --network none --pid container:% busybox true", prints: /^$/, missing: 125 },
  { words: "run --network none --volumes-from % busybox true", prints: /^$/, missing: 125 },
  { words: "run --network container:% busybox hostname", prints: /^host-one\n$/, missing: 125 },
  { words: "pause %", takesMany: true },
  { words: "unpause %", takesMany: true },
  { words: "restart -t 0 %", takesMany: true },
  { words: "stop -t 0 %", takesMany: true },
  { words: "start %", takesMany: true },
  { words: "kill %", takesMany: true },
  { words: "wait %", takesMany: true, prints: /^(137\n)+$/ },
  { words: "rm %", takesMany: true },
];

/** The container is another one then, or there is none. */
const OTHER_VERBS: readonly Verb[] = [
  { words: "rename % other", prints: /^$/ },
  { words: "attach %" },
  { words: "rm -f %", takesMany: true, missing: 0 },
];

const VOLUME_VERBS: readonly Verb[] = [
  { words: "volume inspect -f {{.Name}} %", takesMany: true },
  { words: "volume rm %", takesMany: true },
];

function wordsOf({ words }: Verb, ...names: readonly string[]): string[] {
  return words.split(" ").flatMap((word) => word === "%" ? names : [word.replace("%", names[0]!)]);
}

/** A container that runs, has written a line, and made a file. */
async function made(it: Detached, name: string): Promise<string> {
  const id = await it.script("touch /made; echo up; sleep 1000; :", ["--name", name, "-h", `host-${name}`]);
  // it has written the line after it has made the file
  await using log = it.host.spawnDhow(["logs", "-f", name]);
  await log.stdout.until(/up\n/);
  return id;
}

for (
  const [form, shorten] of Object.entries({
    name: () => "one",
    id: (id: string) => id,
    "short id": (id: string) => id.slice(0, 12),
  })
) {
  detachedTest(`every verb takes a container's ${form}`, async (it, host) => {
    const id = await made(it, "one");
    const name = shorten(id);
    await it.dhow("rename", name, "other");
    await it.dhow("rename", name === "one" ? "other" : name, "one");
    for (const verb of CONTAINER_VERBS) {
      const { code, stdout, stderr } = await host.dhow(wordsOf(verb, name));
      assertEquals({ code, stderr }, { code: 0, stderr: "" }, verb.words);
      assertMatch(stdout, verb.prints ?? new RegExp(`^${name}\n$`), verb.words);
    }
    assertEquals(await it.dhow("ps", "-aq"), "");
  });
}

detachedTest("a verb that takes several goes on after one that is not there, and fails", async (it, host) => {
  for (const name of ["one", "two"]) await made(it, name);
  for (const verb of CONTAINER_VERBS.filter(({ takesMany }) => takesMany === true)) {
    const { code, stdout, stderr } = await host.dhow(wordsOf(verb, "one", "nobody", "two"));
    const kind = verb.words.startsWith("inspect") ? "object" : "container";
    assertEquals([code, stderr], [1, `dhow: No such ${kind}: nobody\n`], verb.words);
    if (verb.words.startsWith("stats")) continue; // a table without one of them is none
    if (verb.prints === undefined) assertEquals(stdout, "one\ntwo\n", verb.words);
    else assertEquals(stdout.split("\n").length, 3, verb.words);
  }
  for (const name of ["one", "two"]) {
    await it.dhow("create", "--name", name, "busybox");
    await it.dhow("volume", "create", name);
  }
  const { code, stdout } = await host.dhow(["rm", "-f", "one", "nobody", "two"]);
  assertEquals([code, stdout], [0, "one\ntwo\n"]);
  for (const verb of VOLUME_VERBS) {
    const { code, stdout, stderr } = await host.dhow(wordsOf(verb, "one", "nobody", "two"));
    assertEquals([code, stdout, stderr], [1, "one\ntwo\n", "dhow: No such volume: nobody\n"], verb.words);
  }
});

detachedTest(
  "what there is not is told in docker's words, in one line, with its exit code",
  async (_, host) => {
    for (const verb of [...CONTAINER_VERBS, ...OTHER_VERBS, ...VOLUME_VERBS]) {
      const { words, missing = 1 } = verb;
      for (const name of ["nobody", "0123456789ab"]) {
        const { code, stdout, stderr } = await host.dhow(wordsOf(verb, name));
        assertEquals([code, stdout.trim()], [missing, ""], words);
        const kind = words.startsWith("volume")
          ? "volume"
          : words.startsWith("inspect")
          ? "object"
          : "container";
        assertEquals(stderr, `dhow: No such ${kind}: ${name}\n`, words);
      }
    }
  },
);

detachedTest("the beginning of several ids means none of them", async (it, host) => {
  const ids = new Map<string, string>();
  // of 17 ids two begin with the same digit
  for (let made = 0; made < 17; made++) {
    const id = await it.dhow("create", "--network", "none", "busybox");
    const digit = id[0]!;
    const other = ids.get(digit);
    ids.set(digit, id);
    if (other === undefined) continue;
    assertFailure(await host.dhow(["start", digit]), 1, /multiple IDs found with provided prefix/);
    return;
  }
});

/** Too few or too many arguments, and values that make no sense: what each verb says of them. */
const MISTAKES: readonly string[] = [
  ...[
    "start",
    "stop",
    "kill",
    "restart",
    "pause",
    "unpause",
    "rm",
    "wait",
    "top",
    "port",
    "update",
    "inspect",
  ],
  ...["rename", "rename a", "rename a b c", "logs", "logs a b", "exec", "exec a", "attach", "attach a b"],
  ...[
    "cp",
    "cp a",
    "cp a b c",
    "cp a b",
    "diff",
    "diff a b",
    "export",
    "export a b",
    "commit",
    "commit a b c",
  ],
  ...["ps x", "stats --format {{", "ps --format {{", "events x", "info x", "recover x", "version x"],
  ...["container prune x", "system prune x", "system df x", "system install x", "system uninstall x"],
  ...["volume create a b", "volume inspect", "volume ls x", "volume prune x", "volume rm", "create"],
  ...["stop -t x a", "restart -t x a", "kill -s NOSUCH a", "logs --tail x a", "logs --since x a", "wait"],
  ...[
    "ps --filter x",
    "events --filter x",
    "start -a a b",
    "update a",
    "update --restart x a",
    "create x:y:z",
  ],
  ...["create --mount type=x busybox", "create -v :/a busybox", "volume create --opt x=y a", "container x"],
];

detachedTest(
  "a mistake in a command line is told in one line without a trace, and changes nothing",
  async (it, host) => {
    for (const words of MISTAKES) {
      const { code, stdout, stderr } = await host.dhow(words.split(" "));
      assertEquals([/^(1|125)$/.test(`${code}`), stdout.trim()], [true, ""], `${words}: ${code} ${stdout}`);
      assertMatch(stderr, /^dhow: [^\n]+\n$/, words);
    }
    assertEquals([await it.dhow("ps", "-aq"), await it.dhow("volume", "ls", "-q")], ["", ""]);
  },
);
