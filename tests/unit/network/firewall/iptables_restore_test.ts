import { assert, assertEquals } from "@std/assert";
import {
  countCommits,
  exchange,
  removal,
  repair,
  reverse,
} from "../../../../src/network/firewall/iptables_restore.ts";
import { chainNames, tablesOf } from "../../../../src/network/firewall/iptables_rules.ts";
import { forward, network } from "./networks.ts";
import { SAVED } from "./saved.ts";

const TABLES = tablesOf(network({ forwards: [forward()] }), 4);
const NEW = repair(TABLES, "");

/** What iptables-save prints after what iptables-restore was given, as far as that matters here. */
function saved(input: string, more = ""): string {
  return input.replaceAll(/^-I /gm, "-A ").replaceAll("COMMIT", `${more}COMMIT`);
}

Deno.test("rules are made a table at a time, and no chain of the system changes but by one jump each", () => {
  assertEquals(NEW.match(/^\*.*$/gm), ["*filter", "*nat"]);
  assertEquals(countCommits(NEW), 2);
  assert(NEW.endsWith("COMMIT\n"), "iptables-restore wants a newline after COMMIT");
  const own = Object.values(chainNames("dhow0"));
  const jumps = NEW.match(/^-I .*$/gm) ?? [];
  assertEquals(jumps.map((line) => line.split(" ")[1]), [
    "FORWARD",
    "INPUT",
    "POSTROUTING",
    "PREROUTING",
    "OUTPUT",
  ]);
  for (const line of jumps) assert(own.includes(line.split(" ").at(-1) ?? ""), line);
  for (const line of NEW.match(/^(:|-A ).*$/gm) ?? []) {
    assert(own.includes(line.replace(/^(:|-A )/, "").split(" ")[0] ?? ""), line);
  }
});

Deno.test("what is there as it should be is left alone", () => {
  assertEquals(repair(TABLES, saved(NEW)), "");
  assertEquals(repair(TABLES, saved(NEW, "-A FORWARD -s 192.0.2.1/32 -j DROP\n")), "");
});

for (
  const [harm, harmed] of [
    ["all of it was flushed", ""],
    ["a jump is gone", saved(NEW).replace("-A FORWARD -j DHOW-dhow0\n", "")],
    ["a jump is there twice", saved(NEW).replace("-A FORWARD -j DHOW-dhow0\n", "$&$&")],
    ["a jump is in another chain", saved(NEW).replace("-A FORWARD -j", "-A OUTPUT -j")],
    ["a rule is gone", saved(NEW).replace("-A DHOW-dhow0 -o dhow0 -j DROP\n", "")],
    ["a chain is empty", saved(NEW).replaceAll(/-A DHOW-dhow0 -.*\n/g, "")],
  ] as const
) {
  Deno.test(`when ${harm}, that table is made anew, with one jump each`, () => {
    const repaired = repair(TABLES, harmed);
    const [table = ""] = repaired.split(/^(?=\*nat)/m);
    assert(NEW.startsWith(table.replaceAll(/^-D .*\n/gm, "")), repaired);
    const present = harmed.match(/^-A (FORWARD|OUTPUT|INPUT) .*-j DHOW-dhow0(-IN)?$/gm) ?? [];
    assertEquals(table.match(/^-D .*$/gm) ?? [], present.map((line) => `-D${line.slice(2)}`));
  });
}

Deno.test("a chain gets what it has not, and loses what it is not to have, one by one", () => {
  assertEquals(exchange("PORTS", [], ["-p tcp -j A"]), "*nat\n-A PORTS -p tcp -j A\nCOMMIT\n");
  assertEquals(
    exchange("PORTS", ["-j A", "-j B"], ["-j C", "-j B"]),
    "*nat\n-D PORTS -j A\n-A PORTS -j C\nCOMMIT\n",
  );
  assertEquals(exchange("PORTS", ["-j A", "-j B"], ["-j B", "-j A"]), "");
});

Deno.test("the reverse takes away all that was made, jumps first", () => {
  const lines = (text: string, verb: string) =>
    (text.match(new RegExp(`^${verb} .*$`, "gm")) ?? []).map((line) => line.slice(verb.length));
  assertEquals(lines(reverse(TABLES), "-D"), lines(NEW, "-I"));
  const declared = NEW.match(/^:\S+/gm)?.map((line) => ` ${line.slice(1)}`);
  assertEquals(lines(reverse(TABLES), "-X"), declared);
  assertEquals(lines(reverse(TABLES), "-F"), declared);
});

Deno.test("chains are taken out of every table that has them, with the jumps to them", () => {
  assertEquals(
    removal(Object.values(chainNames("dhow1")), SAVED),
    [
      "*filter",
      "-D FORWARD -j DHOW-dhow1",
      "-F DHOW-dhow1",
      "-X DHOW-dhow1",
      "COMMIT",
      "*nat",
      "-D POSTROUTING -s 100.100.2.0/24 -j DHOW-dhow1",
      "-F DHOW-dhow1",
      "-X DHOW-dhow1",
      "COMMIT",
      "",
    ].join("\n"),
  );
});

Deno.test("no rule of docker's, of ufw's or of another bridge is touched", () => {
  for (const bridge of ["dhow0", "dhow1", "dhow10"]) {
    const chains = Object.values(chainNames(bridge));
    const changes = removal(chains, SAVED).split("\n").filter((line) => line.startsWith("-"));
    assert(changes.length > 0);
    for (const line of changes) assert(chains.includes(line.split(" ").at(-1) ?? ""), line);
  }
});

Deno.test("a jump that stands there twice is deleted twice", () => {
  const jump = "-A FORWARD -j DHOW-dhow0\n";
  const input = removal(["DHOW-dhow0"], SAVED.replace(jump, jump + jump));
  assertEquals(input.split("-D FORWARD -j DHOW-dhow0\n").length - 1, 2);
});

Deno.test("a chain in only one table is taken out of that table only", () => {
  const input = removal(["DHOW-dhow0"], SAVED.slice(SAVED.indexOf("*nat")));
  assert(input.startsWith("*nat\n"));
  assert(!input.includes("*filter"));
});

Deno.test("a chain without a jump to it is still removed", () => {
  const lonely = SAVED.replaceAll(/^-A (FORWARD|POSTROUTING) .*-j DHOW-dhow0\n/gm, "");
  assertEquals(removal(["DHOW-dhow0"], lonely).match(/^-[DFX]/gm), ["-F", "-X", "-F", "-X"]);
});

Deno.test("where no table has the chain there is nothing to do", () => {
  assertEquals(removal(["DHOW-dhow2", "DHOW-dhow"], SAVED), "");
  assertEquals(removal(["DHOW-dhow0"], ""), "");
});
