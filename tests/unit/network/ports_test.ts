import { assertEquals, assertThrows } from "@std/assert";
import {
  containerSide,
  hostSide,
  overlapOnHost,
  parsePublished,
  portsText,
  type PublishedPort,
} from "../../../src/network/ports.ts";

const parse = (text: string) =>
  parsePublished(text, (why) => new Error(why)).map(({ ip, hostPort, containerPort, protocol }) =>
    `${ip}|${hostPort}|${containerPort}|${protocol}`
  );

/** As docker 20.10 takes them (go-connections, nat.ParsePortSpec). */
const READ: readonly (readonly [text: string, ports: readonly string[]])[] = [
  ["80", ["|0|80|tcp"]],
  ["8080:80", ["|8080|80|tcp"]],
  ["8080:80/udp", ["|8080|80|udp"]],
  ["8080:80/UDP", ["|8080|80|udp"]],
  ["0:80", ["|0|80|tcp"]],
  ["127.0.0.1:8080:80", ["127.0.0.1|8080|80|tcp"]],
  ["127.0.0.1::80", ["127.0.0.1|0|80|tcp"]],
  ["[::1]:8080:80", ["::1|8080|80|tcp"]],
  ["8000-8001:80-81", ["|8000|80|tcp", "|8001|81|tcp"]],
  ["80-81", ["|0|80|tcp", "|0|81|tcp"]],
  ["8000-8009:80", ["|8000|80|tcp"]], // to 8009, if that is taken
];

for (const [text, ports] of READ) {
  Deno.test(`--publish ${text} is understood`, () => assertEquals(parse(text), ports));
}

const REFUSED: readonly (readonly [text: string, why: string])[] = [
  ["", "No port specified: <empty>"],
  ["8080:", "No port specified: 8080:<empty>"],
  ["x:80", "Invalid hostPort: x"],
  ["80:x", "Invalid containerPort: x"],
  ["80:0", "Invalid containerPort: 0"],
  ["80:65536", "Invalid containerPort: 65536"],
  ["82-80:1-3", "Invalid hostPort: 82-80"],
  ["8000-8001:80-82", "Invalid ranges specified for container and host Ports: 80-82 and 8000-8001"],
  ["80/icmp", "Invalid proto: icmp"],
  ["300.1.1.1:80:80", "Invalid ip address: 300.1.1.1"],
  ["host:80:80", "Invalid ip address: host"],
];

for (const [text, why] of REFUSED) {
  Deno.test(`--publish ${JSON.stringify(text)} is refused: ${why}`, () => {
    assertEquals(assertThrows(() => parse(text), Error).message, why);
  });
}

Deno.test("a published port is told as docker tells it", () => {
  const port = { ip: "", hostPort: 8080, containerPort: 80, protocol: "tcp" } as const;
  assertEquals(portsText([port]), "0.0.0.0:8080->80/tcp");
  assertEquals(hostSide({ ...port, ip: "::1" }), "[::1]:8080");
  assertEquals(containerSide({ ...port, protocol: "udp" }), "80/udp");
});

Deno.test("ports that follow each other on both sides are told as one range", () => {
  const port = (
    hostPort: number,
    containerPort: number,
    more: Partial<PublishedPort> = {},
  ): PublishedPort => ({
    ip: "",
    hostPort,
    containerPort,
    protocol: "tcp",
    ...more,
  });
  const text = portsText([
    port(9001, 81),
    port(9000, 80),
    port(9002, 82),
    port(9004, 83),
    port(53, 53, { protocol: "udp" }),
    port(9003, 83, { ip: "127.0.0.1" }),
  ]);
  assertEquals(
    text,
    "0.0.0.0:9000-9002->80-82/tcp, 0.0.0.0:9004->83/tcp, 127.0.0.1:9003->83/tcp, 0.0.0.0:53->53/udp",
  );
});

const OVERLAPS: readonly (readonly [one: string, other: string, overlap: boolean])[] = [
  ["", "", true],
  ["", "127.0.0.1", true],
  ["::1", "", true],
  ["0.0.0.0", "192.0.2.1", true],
  ["0.0.0.0", "::1", false],
  ["::", "::1", true],
  ["::", "0.0.0.0", false],
  ["192.0.2.1", "192.0.2.1", true],
  ["192.0.2.1", "192.0.2.2", false],
];

for (const [one, other, overlap] of OVERLAPS) {
  Deno.test(`the same port of ${one || "all addresses"} and of ${other || "all"} ${overlap ? "is one" : "are two"}`, () => {
    const port = (ip: string, protocol: "tcp" | "udp" = "tcp"): PublishedPort => ({
      ip,
      hostPort: 80,
      containerPort: 1,
      protocol,
    });
    assertEquals(overlapOnHost(port(one), port(other)), overlap);
    assertEquals(overlapOnHost(port(other), port(one)), overlap);
    assertEquals(overlapOnHost(port(one), port(other, "udp")), false);
  });
}
