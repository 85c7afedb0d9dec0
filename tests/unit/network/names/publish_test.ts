import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  containerFolder,
  forgetContainerNames,
  forgetZone,
  namesFolder,
  publishContainer,
  publishZone,
  zoneFolder,
} from "../../../../src/network/names/publish.ts";
import { askedServers, parseServer, sockaddrOf } from "../../../../src/network/names/servers.ts";
import { TemporaryState } from "../../state/temporary.ts";

function withTemporary(test: (root: string) => void): void {
  using state = new TemporaryState();
  test(state.paths.run);
}

const bytes = (text: string) => new TextEncoder().encode(text);
const files = (entries: Record<string, string>) =>
  new Map(Object.entries(entries).map(([name, text]) => [name, bytes(text)]));

function contents(folder: string): Record<string, string> {
  const names = [...Deno.readDirSync(folder)].map(({ name }) => name).filter((name) => !name.startsWith("."));
  return Object.fromEntries(names.sort().map((name) => [name, Deno.readTextFileSync(`${folder}/${name}`)]));
}

function links(folder: string): Record<string, string> {
  const entries = [...Deno.readDirSync(folder)].filter(({ isSymlink }) => isSymlink);
  return Object.fromEntries(
    entries.map(({ name }) => [name, Deno.readLinkSync(`${folder}/${name}`)] as const).sort(),
  );
}

Deno.test("a zone's folder gets what has changed, loses what is gone, and keeps the rest as it is", () =>
  withTemporary((root) => {
    const folder = zoneFolder(namesFolder(root), "net");
    publishZone(folder, () => files({ "a.1": "one", "b.1": "two", "c.1": "three" }));
    assertEquals(contents(folder), { "a.1": "one", "b.1": "two", "c.1": "three" });
    const inode = (name: string) => Deno.statSync(`${folder}/${name}`).ino;
    const before = ["a.1", "b.1"].map(inode);
    publishZone(folder, () => files({ "a.1": "one", "b.1": "new", "d.1": "four" }));
    assertEquals(contents(folder), { "a.1": "one", "b.1": "new", "d.1": "four" });
    const after = ["a.1", "b.1"].map(inode);
    assertEquals(after[0], before[0]);
    assert(after[1] !== before[1], "a reader may have had the old file open: a new one takes its place");
  }));

Deno.test("the zone is asked for while nobody else writes it", () =>
  withTemporary((root) => {
    const folder = zoneFolder(namesFolder(root), "net");
    publishZone(folder, () => {
      const { success } = new Deno.Command("flock", { args: ["-n", `${folder}/.lock`, "true"] }).outputSync();
      assertEquals(success, false);
      return files({});
    });
  }));

Deno.test("everyone can read it, whatever the umask is; what was left half-way is no hindrance", () =>
  withTemporary((root) => {
    const before = Deno.umask(0o077);
    try {
      const names = namesFolder(root);
      const folder = zoneFolder(names, "net");
      publishZone(folder, () => files({ "a.1": "one" }));
      publishContainer(names, "it", ["net"], []);
      Deno.writeTextFileSync(`${folder}/.new`, "half");
      Deno.writeTextFileSync(`${names}/${containerFolder("it")}/.new`, "half");
      publishZone(folder, () => files({ "a.1": "two" }));
      publishContainer(names, "it", ["other"], []);
      const mode = (path: string) => (Deno.statSync(path).mode ?? 0) & 0o777;
      assertEquals(
        [folder, `${names}/networks`, names, `${names}/${containerFolder("it")}`].map(mode),
        Array(4).fill(0o755),
      );
      assertEquals([`${folder}/a.1`, `${names}/${containerFolder("it")}/servers`].map(mode), [0o644, 0o644]);
      assertEquals(contents(folder), { "a.1": "two" });
    } finally {
      Deno.umask(before);
    }
  }));

Deno.test("a container's links lead to its networks' zones, in order and without a gap", () =>
  withTemporary((root) => {
    const names = namesFolder(root);
    const folder = `${names}/${containerFolder("it")}`;
    for (const network of ["a", "b", "c"]) {
      publishZone(zoneFolder(names, network), () => files({ [network]: "" }));
    }
    publishContainer(names, "it", ["a", "b", "c"], []);
    const zone = (network: string) => `../../networks/${network}`;
    assertEquals(links(folder), { 0: zone("a"), 1: zone("b"), 2: zone("c") });
    assertEquals(contents(`${folder}/1`), { b: "" });
    publishContainer(names, "it", ["a", "c"], []);
    assertEquals(links(folder), { 0: zone("a"), 1: zone("c") });
    publishContainer(names, "it", [], []);
    assertEquals(links(folder), {});
    assertThrows(() => publishContainer(names, "it", Array(65).fill("a"), []), RangeError, "64");
  }));

Deno.test("what is forgotten is gone, also a second time", () =>
  withTemporary((root) => {
    const names = namesFolder(root);
    publishZone(zoneFolder(names, "net"), () => files({ a: "" }));
    publishContainer(names, "it", ["net"], []);
    for (let time = 0; time < 2; time++) {
      forgetContainerNames(names, "it");
      forgetZone(names, "net");
    }
    assertEquals([...Deno.readDirSync(`${names}/networks`)], []);
    assertEquals([...Deno.readDirSync(`${names}/containers`)], []);
  }));

Deno.test("servers are those of --dns, asked from the container, or the host's, asked from there: three at most", () => {
  const host =
    "nameserver 127.0.0.53\nnameserver ::1\nnameserver nonsense\nnameserver 10.0.0.3\nnameserver 10.0.0.4\n";
  const { servers, asksFrom } = askedServers(host, []);
  assertEquals([servers.map(({ address }) => address.length), asksFrom], [[4, 16, 4], "host"]);
  const own = askedServers(host, ["192.0.2.1"]);
  assertEquals(own, {
    servers: [{ address: Uint8Array.of(192, 0, 2, 1), port: 53, scope: 0 }],
    asksFrom: "container",
  });
  assertEquals(askedServers("", []).servers, []);
});

Deno.test("an address of a link has the number of the interface", () => {
  assertEquals(parseServer("fe80::1%lo")?.scope, 1);
  assertEquals(parseServer("fe80::1%7")?.scope, 7);
  assertEquals(parseServer("fe80::1%no-such-link"), undefined);
  assertEquals(parseServer("fe80::1%../../../proc"), undefined);
  assertEquals(parseServer("10.0.0.1%lo"), undefined);
});

Deno.test("servers are written as the kernel wants addresses", () => {
  const hex = (text: string) =>
    Array.from(sockaddrOf(parseServer(text)!), (byte) => byte.toString(16).padStart(2, "0")).join("");
  assertEquals(hex("192.0.2.1"), "0200" + "0035" + "c0000201" + "0".repeat(48));
  const six = "fe80" + "0".repeat(26) + "01";
  assertEquals(hex("fe80::1%3"), "0a00" + "0035" + "00000000" + six + "03000000" + "00000000");
});
