import { assert, assertEquals } from "@std/assert";
import {
  forgetContainerNames,
  publishContainer,
  publishZone,
  zoneFolder,
} from "../../../../src/network/names/publish.ts";
import type { NameServerAddress } from "../../../../src/network/names/servers.ts";
import { type NamedEndpoint, zoneFiles } from "../../../../src/network/names/zone.ts";
import {
  addressRecord,
  askByTcp,
  decode,
  DnsClient,
  DnsServer,
  query,
  response,
} from "../../../support/dns.ts";
import { eachCpu } from "../../../support/emulator.ts";
import { TestedNameServer } from "../../../support/name_server.ts";

const [A, PTR, MX, AAAA, HTTPS, ANY] = [1, 12, 15, 28, 65, 255];
const CODES = { fine: 0, malformed: 1, failure: 2, unknown: 3, notImplemented: 4, refused: 5 };

const ENDPOINTS: readonly NamedEndpoint[] = [
  { names: ["web", "0123456789ab", "www"], address: "100.100.1.5" },
  { names: ["db.main"], address: "100.100.1.6", address6: "fd00::6" },
];

const on = (port: number): NameServerAddress => ({ address: Uint8Array.of(127, 0, 0, 1), port, scope: 0 });

/** A container's names, and its server. */
class Setting implements AsyncDisposable {
  readonly folder = Deno.makeTempDirSync({ prefix: "dhow-unit-" });
  server!: TestedNameServer;

  static async begin(
    arch: string,
    emulator: readonly string[],
    servers: readonly NameServerAddress[] = [],
    endpoints = ENDPOINTS,
  ): Promise<Setting> {
    const setting = new Setting();
    setting.publish("net", endpoints);
    setting.connect(["net"], servers);
    setting.server = await TestedNameServer.start(`${setting.folder}/containers/it`, arch, emulator);
    return setting;
  }

  publish(network: string, endpoints: readonly NamedEndpoint[]): void {
    publishZone(zoneFolder(this.folder, network), () => zoneFiles(network, endpoints));
  }

  connect(networks: readonly string[], servers: readonly NameServerAddress[] = []): void {
    publishContainer(this.folder, "it", networks, servers);
  }

  client(): DnsClient {
    return new DnsClient(this.server.port);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server[Symbol.asyncDispose]();
    forgetContainerNames(this.folder, "it");
    Deno.removeSync(this.folder, { recursive: true });
  }
}

eachCpu(
  "names and aliases have addresses, written as one likes, and answers repeat the question",
  async (...cpu) => {
    await using setting = await Setting.begin(...cpu);
    await using client = setting.client();
    for (const name of ["web", "WwW", "0123456789ab", "web.net", "Web.NET"]) {
      const answer = await client.ask(name, A);
      assertEquals([answer.name, answer.code, answer.answers], [name, CODES.fine, ["100.100.1.5"]]);
      assertEquals([answer.flags, answer.ra, answer.ttls, answer.hasOpt], [0x81, true, [2], false]);
    }
    const both = await client.ask("db.main", AAAA, { flags: 0 });
    assertEquals([both.answers, both.flags], [["fd000000000000000000000000000006"], 0x80]);
    // AA and TC are an answer's
    assertEquals((await client.ask("web", A, { flags: 0x0700 })).flags, 0x81);
  },
);

eachCpu("a name without the type that is asked for has no answers, which is no error", async (...cpu) => {
  await using setting = await Setting.begin(...cpu);
  await using client = setting.client();
  for (const type of [AAAA, MX, HTTPS, ANY, 0]) {
    const { code, answers } = await client.ask("web", type);
    assertEquals([code, answers], [CODES.fine, []]);
  }
});

eachCpu("addresses have names, with the network's", async (...cpu) => {
  await using setting = await Setting.begin(...cpu);
  await using client = setting.client();
  assertEquals((await client.ask("5.1.100.100.in-addr.arpa", PTR)).answers, ["web.net"]);
  const six = `6.${"0.".repeat(27)}0.0.d.f.ip6.arpa`;
  assertEquals((await client.ask(six, PTR)).answers, ["db.main.net"]);
});

eachCpu("who sends an OPT record gets one back", async (...cpu) => {
  await using setting = await Setting.begin(...cpu);
  await using client = setting.client();
  const { answers, hasOpt } = await client.ask("web", A, { edns: true });
  assertEquals([answers, hasOpt], [["100.100.1.5"], true]);
});

eachCpu("what changes in the folders is answered at once", async (...cpu) => {
  await using setting = await Setting.begin(...cpu);
  await using client = setting.client();
  assertEquals((await client.ask("late", A)).code, CODES.failure);
  setting.publish("net", [{ names: ["late"], address: "100.100.1.9" }]);
  assertEquals((await client.ask("late", A)).answers, ["100.100.1.9"]);
  assertEquals((await client.ask("web", A)).code, CODES.failure);
  setting.publish("other", [{ names: ["late", "far"], address: "10.0.0.1" }]);
  setting.connect(["net", "other"]);
  assertEquals((await client.ask("far", A)).answers, ["10.0.0.1"]);
  assertEquals((await client.ask("late", A)).answers, ["100.100.1.9"]);
  setting.connect(["other"]);
  assertEquals((await client.ask("late", A)).answers, ["10.0.0.1"]);
  setting.connect([]);
  assertEquals((await client.ask("far", A)).code, CODES.failure);
});

eachCpu("of several addresses each is first at some time, and all are there", async (...cpu) => {
  const addresses = Array.from({ length: 5 }, (_, index) => `100.100.1.${index + 2}`);
  const endpoints = addresses.map((address) => ({ names: ["many"], address }));
  await using setting = await Setting.begin(...cpu, [], endpoints);
  await using client = setting.client();
  const first = new Set<string>();
  for (let id = 0; id < 256; id += 8) {
    const { answers } = await client.ask("many", A, { id });
    assertEquals([...answers].sort(), addresses);
    first.add(answers[0]!);
  }
  assertEquals([...first].sort(), addresses);
});

eachCpu(
  "other names are asked of the server, by a new port each time, and answers come back as they are",
  async (...cpu) => {
    await using upstream = await DnsServer.start((asked) =>
      response(asked, 0, addressRecord("192.0.2.7"), 1)
    );
    await using setting = await Setting.begin(...cpu, [on(upstream.port)]);
    await using client = setting.client();
    for (let id = 1; id <= 8; id++) {
      const sent = query("example.com", A, { id, edns: true });
      await client.send(sent);
      assertEquals(await client.receive(), response(sent, 0, addressRecord("192.0.2.7"), 1));
      assertEquals(upstream.asked.at(-1), sent);
    }
    assert(new Set(upstream.clients).size > 4, `${upstream.clients}`);
  },
);

eachCpu(
  "names that are not made of letters, digits, hyphens and underscores are only passed on",
  async (...cpu) => {
    await using upstream = await DnsServer.start((asked) => response(asked, CODES.unknown));
    await using setting = await Setting.begin(...cpu, [on(upstream.port)]);
    await using client = setting.client();
    // what would be found if a path were cut short
    for (const path of ["secret.1", "networks/net/web", "networks/net/w"]) {
      Deno.writeTextFileSync(`${setting.folder}/${path}`, "\0\0");
    }
    const names = [
      "../secret",
      "..",
      "/",
      "a/b",
      "../../secret",
      "\0",
      "web\0",
      "web/",
      ".",
      "w b",
      "é",
      "*",
      "",
    ];
    for (const name of names) {
      const label = [name.length, ...Array.from(name, (character) => character.charCodeAt(0)), 0];
      const message = Uint8Array.of(
        ...query("", A).subarray(0, 12),
        ...(name === "" ? [0] : label),
        0,
        1,
        0,
        1,
      );
      await client.send(message);
      assertEquals((await client.receive())[3]! & 0xf, CODES.unknown);
      assertEquals(upstream.asked.at(-1), message);
    }
    const other = await client.ask("web", A, { class: 3 });
    assertEquals(other.code, CODES.unknown);
  },
);

eachCpu("without servers, other names cannot be answered, which is said", async (...cpu) => {
  await using setting = await Setting.begin(...cpu);
  await using client = setting.client();
  const { code, name, ra } = await client.ask("example.com", A);
  assertEquals([code, name, ra], [CODES.failure, "example.com", true]);
});

eachCpu("the next server is asked if one fails, refuses, or is not there", async (...cpu) => {
  await using failing = await DnsServer.start((asked) => response(asked, CODES.failure));
  await using refusing = await DnsServer.start((asked) => response(asked, CODES.refused));
  await using good = await DnsServer.start((asked) => response(asked, 0, addressRecord("192.0.2.7"), 1));
  const dead = await DnsServer.unused();
  await using setting = await Setting.begin(...cpu, [on(dead), on(good.port)]);
  await using client = setting.client();
  assertEquals((await client.ask("a.example", A)).answers, ["192.0.2.7"]);
  setting.connect([], [on(failing.port), on(refusing.port), on(good.port)]);
  assertEquals((await client.ask("b.example", A, { id: 2 })).answers, ["192.0.2.7"]);
  assertEquals([failing.asked.length, refusing.asked.length, good.asked.length], [1, 1, 2]);
  setting.connect([], [on(failing.port), on(dead)]);
  const { code, id, name } = await client.ask("c.example", A, { id: 3 });
  assertEquals([code, id, name], [CODES.failure, 3, "c.example"]);
});

eachCpu(
  "a question that is too long to be kept is asked once, and what comes of it goes back",
  async (...cpu) => {
    await using failing = await DnsServer.start((asked) => response(asked, CODES.failure));
    await using good = await DnsServer.start((asked) => response(asked, 0, addressRecord("192.0.2.7"), 1));
    await using setting = await Setting.begin(...cpu, [on(failing.port), on(good.port)]);
    await using client = setting.client();
    const label = "a".repeat(60);
    const asked = Uint8Array.of(
      ...query(`${label}.${label}.${label}`, A, { edns: true }),
      ...Array(100).fill(0),
    );
    await client.send(asked);
    assertEquals(await client.receive(), response(asked, CODES.failure));
    assertEquals([failing.asked, good.asked], [[asked], []]);
  },
);

eachCpu("who asks again is answered by the next server, and then by the first again", async (...cpu) => {
  await using silent = await DnsServer.start(() => undefined);
  await using good = await DnsServer.start((asked) => response(asked, 0, addressRecord("192.0.2.7"), 1));
  await using setting = await Setting.begin(...cpu, [on(silent.port), on(good.port)]);
  await using client = setting.client();
  const asked = query("slow.example", A);
  await client.send(asked);
  await silent.heard(1);
  assertEquals(good.asked.length, 0);
  await client.send(asked);
  assertEquals(decode(await client.receive()).answers, ["192.0.2.7"]);
  setting.connect([], [on(silent.port)]);
  await client.send(asked);
  await silent.heard(2);
  await client.send(asked);
  await silent.heard(3);
});

eachCpu("answers with another id, that are no answers, or too short, are not taken", async (...cpu) => {
  await using upstream = await DnsServer.start(() => undefined);
  await using setting = await Setting.begin(...cpu, [on(upstream.port)]);
  await using client = setting.client();
  const asked = query("example.com", A);
  await client.send(asked);
  await upstream.heard(1);
  const wrong = response(asked, 0, addressRecord("192.0.2.66"), 1);
  wrong[0]! ^= 1;
  const right = response(asked, 0, addressRecord("192.0.2.7"), 1);
  for (const message of [wrong, asked, right.subarray(0, 11), new Uint8Array(), right]) {
    upstream.udp.send(message, upstream.clients[0]!, "127.0.0.1");
  }
  assertEquals(decode(await client.receive()).answers, ["192.0.2.7"]);
  assertEquals(client.waiting, 0);
});

eachCpu(
  "more questions than can be under way: the oldest give way, the newest are answered",
  async (...cpu) => {
    const held: Uint8Array[] = [];
    await using upstream = await DnsServer.start((asked) => {
      held.push(asked);
      return undefined;
    });
    await using setting = await Setting.begin(...cpu, [on(upstream.port)]);
    await using client = setting.client();
    const COUNT = 100;
    for (let id = 1; id <= COUNT; id++) {
      await client.send(query(`n${id}.example`, A, { id }));
      await upstream.heard(id);
    }
    held.forEach((asked, index) =>
      upstream.udp.send(response(asked, CODES.unknown), upstream.clients[index]!, "127.0.0.1")
    );
    const answered = new Set<number>();
    while (answered.size < 64) answered.add(decode(await client.receive()).id);
    assertEquals([...answered].sort((a, b) => a - b), Array.from({ length: 64 }, (_, index) => index + 37));
  },
);

eachCpu("messages that are no questions are refused or ignored, and the server goes on", async (...cpu) => {
  await using setting = await Setting.begin(...cpu);
  await using client = setting.client();
  const header = (code: number, first = 0x81) =>
    Uint8Array.of(0x12, 0x34, first, 0x80 | code, 0, 0, 0, 0, 0, 0, 0, 0);
  const good = query("web", A);
  const changed = (at: number, ...bytes: number[]) => {
    const message = Uint8Array.from(good);
    message.set(bytes, at);
    return message;
  };
  const longest = "a".repeat(63);
  for (
    const [message, answer] of [
      [changed(4, 0, 2), header(CODES.malformed)], // two questions
      [changed(4, 0, 0), header(CODES.malformed)], // none
      [changed(12, 0xc0, 12), header(CODES.malformed)], // a pointer to itself
      [changed(12, 64), header(CODES.malformed)], // a label that is longer than the message
      [query("a".repeat(64), A), header(CODES.malformed)], // one that is longer than a label may be
      [Uint8Array.of(...changed(12, 0xc0, 0), ...Array(300).fill(0)), header(CODES.malformed)], // a pointer
      [good.subarray(0, 14), header(CODES.malformed)], // cut in a label
      [good.subarray(0, good.length - 1), header(CODES.malformed)], // cut in the class
      [good.subarray(0, 12), header(CODES.malformed)], // nothing but a header
      [query(`${longest}.${longest}.${longest}.${longest}`, A), header(CODES.malformed)], // 257 bytes of name
      [changed(2, 0x29), header(CODES.notImplemented, 0xa9)], // an update
      [changed(2, 0x11), header(CODES.notImplemented, 0x91)], // a status
    ] as const
  ) {
    await client.send(message);
    assertEquals(await client.receive(), answer);
  }
  // a response, and what has no whole header: no word
  for (const message of [changed(2, 0x81), good.subarray(0, 11), good.subarray(0, 1), new Uint8Array()]) {
    await client.send(message);
  }
  assertEquals((await client.ask("web", A)).answers, ["100.100.1.5"]);
  // as long as a name can be
  const name = `${longest}.${longest}.${longest}.${"b".repeat(61)}`;
  assertEquals((await client.ask(name, A)).code, CODES.failure);
});

eachCpu("by TCP, one connection takes several questions, for names of both kinds", async (...cpu) => {
  const records = Array.from(
    { length: 2000 },
    (_, index) => addressRecord(`10.0.${index >> 8}.${index & 255}`),
  ).flat();
  await using upstream = await DnsServer.start((asked) => {
    const answer = response(asked, 0, records, 0);
    answer.set([2000 >> 8, 2000 & 255], 6);
    return answer;
  });
  await using setting = await Setting.begin(...cpu, [on(upstream.port)]);
  const answers = await askByTcp(
    setting.server.tcpPort,
    query("web", A, { id: 1 }),
    query("large.example", A, { id: 2 }),
    query("www", A, { id: 3, edns: true }),
  );
  const [web, large, www] = answers.map(decode);
  assertEquals([web!.id, web!.answers], [1, ["100.100.1.5"]]);
  assertEquals([large!.id, large!.answers.length], [2, 2000]);
  assertEquals([www!.id, www!.hasOpt], [3, true]);
});

eachCpu("by TCP, a dead server is passed over, and without any the failure is said", async (...cpu) => {
  await using good = await DnsServer.start((asked) => response(asked, 0, addressRecord("192.0.2.7"), 1));
  const dead = await DnsServer.unused();
  await using setting = await Setting.begin(...cpu, [on(dead), on(good.port)]);
  const asked = query("example.com", A);
  const [answer] = await askByTcp(setting.server.tcpPort, asked);
  assertEquals(decode(answer!).answers, ["192.0.2.7"]);
  setting.connect([], [on(dead)]);
  const [failure] = await askByTcp(setting.server.tcpPort, asked);
  assertEquals(decode(failure!).code, CODES.failure);
});

eachCpu("a connection that sends what is no question is closed, and others are taken", async (...cpu) => {
  await using setting = await Setting.begin(...cpu);
  const reply = response(query("web", A));
  for (let count = 0; count < 20; count++) {
    assertEquals(await askByTcp(setting.server.tcpPort, reply), []);
    assertEquals(await askByTcp(setting.server.tcpPort, new Uint8Array()), []);
  }
  const [answer] = await askByTcp(setting.server.tcpPort, query("web", A));
  assertEquals(decode(answer!).answers, ["100.100.1.5"]);
});
