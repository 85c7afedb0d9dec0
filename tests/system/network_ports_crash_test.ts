import { assert, assertEquals } from "@std/assert";
import { assertSuccess } from "../support/containers.ts";
import type { Host } from "../support/host.ts";
import {
  asBefore,
  dhow,
  isWholeOrGone,
  killEverywhere,
  networkSnapshot,
  resolve,
  serving,
  start,
} from "../support/network_crash.ts";
import { systemTest } from "../support/system_test.ts";

/** A container with ports, beside a neighbour in its network. */
interface VerbCase {
  readonly name: string;
  readonly args: readonly string[];
  /** How many steps it has at least. */
  readonly steps: number;
  /** What is before it; a container that runs, unless it is said. */
  readonly prepare?: (host: Host) => Promise<unknown>;
  /** Whether the container may have ended. */
  readonly mayEnd?: boolean;
}

const up = async (host: Host) => await dhow(host, "run", "-d", ...await serving("it", "--network", "two"));

const VERBS: readonly VerbCase[] = [
  {
    name: "run -d",
    args: ["run", "-d", ...await serving("it", "--network", "two")],
    steps: 10,
    prepare: () => Promise.resolve(),
    mayEnd: true,
  },
  {
    name: "start",
    args: ["start", "it"],
    steps: 10,
    prepare: async (host) => await dhow(host, "create", ...await serving("it", "--network", "two")),
    mayEnd: true,
  },
  { name: "stop", args: ["stop", "-t", "0", "it"], steps: 3, mayEnd: true },
  { name: "kill", args: ["kill", "it"], steps: 2, mayEnd: true },
  { name: "restart", args: ["restart", "-t", "0", "it"], steps: 10, mayEnd: true },
  { name: "rm -f", args: ["rm", "-f", "it"], steps: 3, mayEnd: true },
  { name: "update", args: ["update", "--restart", "always", "--cpu-shares", "512", "it"], steps: 1 },
  { name: "rename", args: ["rename", "it", "other"], steps: 2 },
  {
    name: "network connect",
    args: ["network", "connect", "three", "it"],
    steps: 5,
  },
  {
    name: "network disconnect of the network that ports lead through",
    args: ["network", "disconnect", "three", "it"],
    steps: 5,
    prepare: async (host) =>
      await dhow(host, "run", "-d", ...await serving("it", "--network", "three", "--network", "two")),
  },
];

for (const { name, args, steps, prepare = up, mayEnd = false } of VERBS) {
  systemTest(
    `${name}, killed after any step: a container with ports in a network that was made is whole, or nothing leads to it`,
    async (host) => {
      await dhow(host, "network", "create", "two");
      await dhow(host, "network", "create", "three");
      await start(host, "neighbour", "--network", "two", "--network", "three");
      const before = await networkSnapshot(host);
      await killEverywhere(host, args, steps, {
        prepare: () => prepare(host),
        check: async (when) => {
          const found = await dhow(
            host,
            "ps",
            "-a",
            "--format",
            "{{.Names}}",
            "--filter",
            "name=^(it|other)$",
          );
          const known = found === "" ? "it" : found;
          const isUp = await isWholeOrGone(host, known, "two", "neighbour", when);
          assert(isUp || mayEnd, `${when}: it has ended`);
          if (args[0] === "rename") {
            assertEquals(await resolve(host, "neighbour", known === "it" ? "other" : "it"), [], when);
          }
          if (found !== "") await dhow(host, "rm", "-f", found);
          await asBefore(host, before, when);
        },
      });
      await dhow(host, "rm", "-f", "neighbour");
      await dhow(host, "network", "rm", "two", "three");
    },
  );
}

systemTest(
  "what cleans up after a container with ports in a network is killed after any step: nothing leads to it",
  async (host) => {
    await dhow(host, "network", "create", "two");
    await start(host, "neighbour", "--network", "two");
    const before = await networkSnapshot(host);
    for (let step = 1; step <= 6; step++) {
      const args = ["run", "-d", ...await serving("it", "--network", "two")];
      const when = `ended after step ${step}`;
      assertSuccess(await host.dhow(args, { env: { DHOW_FAULT_LATER: `kill-after:${step}` } }));
      const pid = await dhow(host, "inspect", "-f", "{{.State.Pid}}", "it");
      await host.succeed(["kill", "-KILL", pid]);
      assertEquals(await dhow(host, "wait", "it"), "137", when);
      assert(!await isWholeOrGone(host, "it", "two", "neighbour", when), when);
      await dhow(host, "rm", "it");
      await asBefore(host, before, when);
    }
    await dhow(host, "rm", "-f", "neighbour");
    await dhow(host, "network", "rm", "two");
  },
);
