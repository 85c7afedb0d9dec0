// Whatever is sent to the name server, by the container or by servers: it goes on, and answers right.
import { assert, assertEquals } from "@std/assert";
import { publishContainer, publishZone, zoneFolder } from "../../../../src/network/names/publish.ts";
import { zoneFiles } from "../../../../src/network/names/zone.ts";
import { askByTcp, decode, DnsClient, DnsServer, query } from "../../../support/dns.ts";
import { eachCpu } from "../../../support/emulator.ts";
import { TestedNameServer } from "../../../support/name_server.ts";
import { Random, seeds } from "../../../support/random.ts";

const A = 1;
const NAMES = [
  "web",
  "web.net",
  "example.com",
  "a.b.c.d.e.f.g",
  "",
  "5.1.100.100.in-addr.arpa",
  "x".repeat(63),
];
/** Bytes that mean something in a message. */
const TELLING = [0, 1, 12, 28, 63, 64, 0x80, 0xc0, 0xff];

/** A message that is one nearly. */
function almost(random: Random): Uint8Array<ArrayBuffer> {
  const base = random.chance(0.1)
    ? random.bytes(random.below(600))
    : query(random.pick(NAMES), random.pick([0, 1, 12, 28, 255]), {
      id: random.below(65536),
      edns: random.chance(0.5),
    });
  const message = random.chance(0.2)
    ? Uint8Array.of(...base, ...random.bytes(random.pick([1, 100, 4000])))
    : random.chance(0.3)
    ? base.slice(0, random.below(base.length + 1))
    : base;
  for (let count = random.below(4); count > 0 && message.length > 0; count--) {
    message[random.below(message.length)] = random.chance(0.5) ? random.pick(TELLING) : random.word() & 0xff;
  }
  return message;
}

for (const seed of seeds("DHOW_FUZZ_NAMES", 1, 3)) {
  eachCpu(`seed ${seed}: questions and answers at random do no harm`, async (arch, emulator) => {
    const random = new Random(seed);
    const folder = Deno.makeTempDirSync({ prefix: "dhow-unit-" });
    try {
      await using upstream = await DnsServer.start((asked) => {
        if (asked.length < 17 || random.chance(0.3)) return undefined;
        if (random.chance(0.3)) return almost(random);
        const answer = Uint8Array.from(asked);
        for (let count = random.below(4); count > 0; count--) {
          answer[random.between(2, answer.length)] = random.word() & 0xff;
        }
        answer[2]! |= 0x80;
        return answer;
      });
      const endpoints = [{ names: ["web"], address: "100.100.1.5" }, {
        names: ["two"],
        address: "100.100.1.6",
      }];
      publishZone(zoneFolder(folder, "net"), () => zoneFiles("net", endpoints));
      const servers = [upstream.port, upstream.port].map((port) => ({
        address: Uint8Array.of(127, 0, 0, 1),
        port,
        scope: 0,
      }));
      publishContainer(folder, "it", ["net"], servers);
      // what is there when it ends: that it ended by itself, and well
      await using server = await TestedNameServer.start(`${folder}/containers/it`, arch, emulator);
      await using hostile = new DnsClient(server.port);
      await using client = new DnsClient(server.port);
      for (let round = 0; round < 40; round++) {
        for (let count = 0; count < 25; count++) await hostile.send(almost(random));
        const name = random.pick(["web", "two.NET"]);
        const answer = await client.ask(name, A, { id: round });
        const expected = {
          id: round,
          code: 0,
          name,
          answers: [name === "web" ? "100.100.1.5" : "100.100.1.6"],
        };
        assertEquals({ ...answer, ...expected }, answer);
        if (round % 10 !== 0) continue;
        const sent = almost(random);
        const answers = await askByTcp(
          server.tcpPort,
          query("web", A),
          sent.length < 12 ? new Uint8Array() : query("two", A),
        );
        assertEquals(decode(answers[0]!).answers, ["100.100.1.5"]);
      }
      assert(upstream.asked.length > 0);
    } finally {
      Deno.removeSync(folder, { recursive: true });
    }
  });
}
