import { assertEquals } from "@std/assert";
import {
  describe,
  describeMounts,
  namespacesOf,
  probe,
  type RunProbe,
  sessionKeyring,
} from "../support/defaults.ts";
import { detachedTest } from "../support/detached.ts";
import { Docker } from "../support/docker.ts";
import { DHOW, REPOSITORY } from "../support/host.ts";
import { succeed } from "../support/process.ts";

/** docs/defaults.md says what this test finds out; where it fails, it prints the tables as they should be. */
const DOCUMENT = `${REPOSITORY}/docs/defaults.md`;

/** The cells of all lines of a table that has so many columns. */
function tableRows(text: string, columns: number): string[][] {
  return text.split("\n").filter((line) => line.startsWith("|")).map((line) =>
    line.slice(1, -1).split("|").map((cell) => cell.trim().replaceAll("`", ""))
  ).filter((cells) => cells.length === columns && !/^-*$/.test(cells[0]!)).slice(1);
}

/** Limits come from who starts both; what they are tells of the machine. */
const isLimit = (name: string) => name.startsWith("limit: ");

/** What holds on cgroup v1 only: v2 has private cgroup namespaces, and its one hierarchy mounted, in docker as well. */
const OF_VERSION_1 = ["cgroup namespace", "/proc/self/cgroup", "cgroups in /sys/fs/cgroup"];

/** What the process has, and keeps, that runs dhow: it is none of docker's container. */
const CALLER = 'choom -n 123 -p $$ >/dev/null; ulimit -Sn 777; "$@"; exit $?';
const [SCORE, OPEN_FILES] = ["123", "777"];

detachedTest(
  "a container without options is like docker's, but for what docs/defaults.md says",
  async (_it, host) => {
    await using docker = await Docker.start();
    const image = await docker.loadBusybox();
    const common = ["run", "--rm", "--network", "none"];
    const inDocker: RunProbe = (script, flags = []) =>
      docker.docker(...common, ...flags, image, "sh", "-c", script);
    const inDhow: RunProbe = (script, flags = []) =>
      host.run(["sh", "-c", CALLER, "sh", DHOW, ...common, ...flags, "busybox", "sh", "-c", script]);
    const [theirs, ours] = [await probe(inDocker), await probe(inDhow)];
    const machine = namespacesOf("self");
    const found = {
      docker: describe(theirs, [machine, namespacesOf(docker.pid)]),
      dhow: describe(ours, [machine, namespacesOf(host.pid)]),
    };
    found.docker.set("session keyring", await sessionKeyring(inDocker));
    found.dhow.set("session keyring", await sessionKeyring(inDhow));
    // capsh and its libraries come from the host
    const files = (await succeed(["sh", "-c", "which capsh; ldd $(which capsh) | grep -o '/[^ ]*'"])).trim()
      .split("\n");
    const mounted = files.flatMap((path) => ["-v", `${path}:${path}:ro`]);
    for (const [who, run] of [["docker", inDocker], ["dhow", inDhow]] as const) {
      const { stdout } = await run(`${files[0]} --print`, mounted);
      for (
        const [, name, value] of stdout.matchAll(
          /^(Bounding set|Ambient set|Current|Securebits)(?:: | =)(.*)$/gm,
        )
      ) {
        found[who].set(`capsh: ${name}`, value === "" ? "nothing" : value!);
      }
    }
    // what the two have from their own surroundings
    assertEquals(found.dhow.get("oom_score_adj"), SCORE);
    found.dhow.set("oom_score_adj", "the caller's");
    assertEquals(found.dhow.get("limit: Max open files")?.split(" ")[0], OPEN_FILES);
    found.dhow.set("limit: Max open files", "the caller's");
    found.docker.set("limit: Max open files", "dockerd's");
    found.docker.set("SigIgn", "containerd's");

    const hidden = { docker: describeMounts(theirs), dhow: describeMounts(ours) };
    const missing = (list: "hidden" | "readOnly") =>
      hidden.docker[list].filter((path) => !hidden.dhow[list].includes(path));
    assertEquals([missing("hidden"), missing("readOnly")], [[], []]);
    const text = await Deno.readTextFile(DOCUMENT);
    const besides = hidden.dhow.hidden.filter((path) => !hidden.docker.hidden.includes(path));
    assertEquals(
      besides.filter((path) => !text.includes(`\`${path.replace(/cpu\d+/, "cpuN")}\``)),
      [],
      "what is hidden besides must be named",
    );

    const names = [...new Set([...found.docker.keys(), ...found.dhow.keys()])].sort();
    const row = (name: string) =>
      [name, found.docker.get(name) ?? "nothing", found.dhow.get(name) ?? "nothing"] as const;
    const rows = names.map(row);
    const equal = rows.filter(([, docker, dhow]) => docker === dhow);
    const same = [
      ...equal.filter(([name]) => !isLimit(name)).map(([name, value]) => [name, value]),
      ...(equal.some(([name]) => isLimit(name)) ? [["other limits", "the starter's"]] : []),
    ];
    const different = rows.filter(([, docker, dhow]) => docker !== dhow).map((cells) => [...cells]);
    const isVersion1 = hidden.docker.rows.get("cgroups in /sys/fs/cgroup")!.startsWith("all");
    const counts = ([name = ""]: readonly string[]) => isVersion1 || !OF_VERSION_1.includes(name);
    const print = (table: readonly (readonly string[])[]) =>
      table.map((cells) => `| ${cells.map((cell) => `\`${cell}\``).join(" | ")} |`).join("\n");
    assertEquals(
      tableRows(text, 2).filter(counts),
      same.filter(counts),
      `the same should be:\n${print(same)}\n`,
    );
    assertEquals(
      tableRows(text, 4).filter(counts).map((cells) => cells.slice(0, 3)),
      different.filter(counts),
      `different should be:\n${print(different)}\n`,
    );
  },
);
