import { assertEquals, assertThrows } from "@std/assert";
import { parseMount, parseTmpfs, parseVolume, readMounts } from "../../../src/cli/mount_options.ts";
import { ParsedOptions } from "../../../src/cli/command.ts";
import { UsageError } from "../../../src/errors.ts";

const BIND = { type: "bind", readOnly: false, propagation: "rprivate", createsSource: true } as const;
const VOLUME = { type: "volume", readOnly: false, noCopy: false } as const;

Deno.test("-v takes a path of the host, a volume's name, or neither", () => {
  const written = (text: string) => ({ written: text });
  assertEquals(parseVolume("/a:/b"), { ...BIND, source: "/a", target: "/b", ...written("/a:/b") });
  assertEquals(parseVolume("/a/../c/:/b/./x//"), {
    ...BIND,
    source: "/c",
    target: "/b/x",
    ...written("/c:/b/./x//"),
  });
  const here = `${Deno.cwd()}/a`;
  assertEquals(parseVolume("./a:/b"), { ...BIND, source: here, target: "/b", ...written(`${here}:/b`) });
  assertEquals(parseVolume("name:/b"), { ...VOLUME, name: "name", target: "/b", ...written("name:/b") });
  assertEquals(parseVolume("/b"), { ...VOLUME, name: undefined, target: "/b", ...written("/b") });
  assertEquals(parseVolume("/a:/b:ro,rslave,z"), {
    ...BIND,
    source: "/a",
    target: "/b",
    readOnly: true,
    propagation: "rslave",
    ...written("/a:/b:ro,rslave,z"),
  });
  assertEquals(parseVolume("name:/b:nocopy,ro"), {
    ...VOLUME,
    name: "name",
    target: "/b",
    readOnly: true,
    noCopy: true,
    ...written("name:/b:nocopy,ro"),
  });
});

function assertRefused(work: () => unknown, ...parts: RegExp[]): void {
  const { message } = assertThrows(work, UsageError) as UsageError;
  for (const part of parts) assertEquals(part.test(message), true, message);
}

Deno.test("docker's words say what is wrong with a -v", () => {
  assertRefused(() => parseVolume("/a:/b:oh"), /^invalid mode: oh/);
  assertRefused(() => parseVolume("/a:/b:ro,rw"), /^invalid mode: ro,rw/);
  assertRefused(() => parseVolume("/a:/b:nocopy"), /^invalid mode/);
  assertRefused(() => parseVolume("name:/b:rslave"), /^invalid mode/);
  assertRefused(() => parseVolume("/a:b"), /^invalid volume specification: '\/a:b': invalid mount path: 'b'/);
  assertRefused(() => parseVolume("/a:/"), /destination can't be '\/'/);
  assertRefused(() => parseVolume("/a:/x/.."), /destination can't be '\/'/);
  assertRefused(() => parseVolume("/a::ro"), /empty section between colons/);
  assertRefused(() => parseVolume("a/b:/c"), /includes invalid characters for a local volume name/);
  assertRefused(() => parseVolume("/a:/proc/sys"), /inside \/proc/);
});

Deno.test("--mount says the same in words", () => {
  assertEquals(parseMount("type=bind,src=/a,dst=/b,readonly,bind-propagation=shared"), {
    type: "bind",
    source: "/a",
    target: "/b",
    readOnly: true,
    propagation: "shared",
    createsSource: false,
  });
  assertEquals(parseMount("target=/b,source=nn,volume-nocopy=true,ro=false"), {
    ...VOLUME,
    name: "nn",
    target: "/b",
    noCopy: true,
  });
  assertEquals(parseMount("type=tmpfs,destination=/t,tmpfs-size=64m,tmpfs-mode=700"), {
    type: "tmpfs",
    target: "/t",
    readOnly: false,
    options: ["noexec", "nosuid", "nodev", "size=64m", "mode=700"],
  });
  assertEquals(parseMount(`type=bind,"source=/a,b","target=/""c"""`), {
    type: "bind",
    source: "/a,b",
    target: '/"c"',
    readOnly: false,
    propagation: "rprivate",
    createsSource: false,
  });
  assertRefused(() => parseMount('type=bind,source=/"a,target=/b'), /out of place/);
  assertRefused(() => parseMount('type=bind,"source=/a'), /out of place/);
  assertRefused(() => parseMount("type=bind,source=/a"), /target is required/);
  assertRefused(() => parseMount("type=bind,target=/a"), /field Source must not be empty/);
  assertRefused(() => parseMount("type=bind,source=a,target=/a"), /mount path must be absolute/);
  assertRefused(() => parseMount("type=bind,odd=1"), /unexpected key 'odd' in 'odd=1'/);
  assertRefused(() => parseMount("type"), /must be a key=value pair/);
  assertRefused(() => parseMount("target=/a,readonly=maybe"), /invalid value for readonly: maybe/);
  assertRefused(() => parseMount("type=tmpfs,target=/a,source=/b"), /Source must not be specified/);
  assertRefused(() => parseMount("type=volume,target=/a,tmpfs-size=1"), /cannot mix/);
  assertRefused(
    () => parseMount("type=bind,source=/a,target=/b,bind-propagation=x"),
    /invalid propagation mode: x/,
  );
});

Deno.test("--tmpfs runs nothing, and has no devices and no setuid, unless it is told otherwise", () => {
  const options = (text: string) => {
    const mount = parseTmpfs(text);
    return mount.type === "tmpfs" ? mount.options : [];
  };
  assertEquals(options("/t"), ["noexec", "nosuid", "nodev", "mode=1777"]);
  assertEquals(options("/t:exec,size=1k,mode=755"), ["nosuid", "nodev", "size=1k", "mode=755"]);
  assertEquals(parseTmpfs("/t:ro").readOnly, true);
  assertRefused(() => parseTmpfs("/t:odd"), /invalid tmpfs option: odd/);
});

Deno.test("two mounts in one place are refused, however they are written", () => {
  const options = new ParsedOptions({ volume: ["/a:/x/y"], mount: [], tmpfs: ["/x/./y/"] });
  assertRefused(() => readMounts(options), /^Duplicate mount point: \/x\/y/);
  const twice = new ParsedOptions({ volume: ["/a:/b", "/a:/b"], mount: [], tmpfs: ["/t", "/t"] });
  assertEquals(readMounts(twice).map(({ target }) => target), ["/b", "/t"]);
});
