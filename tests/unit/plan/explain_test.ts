import { assert, assertEquals, assertMatch } from "@std/assert";
import { explain } from "../../../src/plan/explain.ts";
import { childSteps, CHOICES, samplePlan } from "../container/sample.ts";
import { explained, firewallsOf, runLastCommand, shell, takeApart } from "./scripts.ts";

const ARCHIVE = {
  path: "/data/busy box.tar",
  isFolder: false,
  layers: [{ name: "abc/layer.tar", folder: "/tmp/dhow-sample/layers/0" }, {
    name: "blobs/sha256/0",
    folder: "/tmp/dhow-sample/layers/1",
  }],
};

/** Where a sentence about a step is, as a comment. */
const comment = (why: string) => `# ${why[0]?.toUpperCase()}${why.slice(1)}.\n`;

/** The scripts that a script writes, by their names. */
function writtenScripts(script: string): Map<string, string> {
  const found = new Map<string, string>();
  for (const [begin, text] of takeApart(script).documents) {
    const name = /^cat >"\$work\/(init|mapped|last|connect)"$/.exec(begin)?.[1];
    if (name !== undefined) found.set(name, text);
  }
  return found;
}

for (const { what, ...choice } of CHOICES) {
  Deno.test(`the script of a container ${what} is one that sh understands, and so are those that it writes`, async () => {
    const script = explained(choice, ARCHIVE);
    const written = writtenScripts(script);
    const mapped = choice.idMethod === undefined ? [] : ["mapped"];
    assertEquals([...written.keys()], ["init", ...mapped, "last", "connect"]);
    for (const text of [script, ...written.values()]) {
      const { code, stderr } = await shell(text, { args: ["-n"] });
      assertEquals([code, stderr], [0, ""], text);
    }
  });

  Deno.test(`the script of a container ${what} tells of every step, in the order of the plan`, () => {
    const inFolder = { ...choice, config: { workingDir: "/app" } };
    const plan = samplePlan(inFolder);
    const script = explained(inFolder);
    const written = writtenScripts(script);
    const child = ["init", "mapped", "last"].map((name) => written.get(name) ?? "").join("");
    let at = 0;
    // the last ones make one command, which speaks for itself
    const last = ["drop-bounding-set", "set-user", "set-capabilities", "execute"];
    for (const { why } of childSteps(plan).filter(({ op }) => !last.includes(op))) {
      at = child.indexOf(comment(why), at);
      assert(at >= 0, `"${why}" is not told of, or not in its place`);
      at += 1;
    }
    const outside = takeApart(script).commands + (written.get("connect") ?? "");
    for (const { why } of plan.steps) assert(outside.includes(comment(why)), why);
  });

  Deno.test(`the script of a container ${what} takes back what it made, however it ends`, () => {
    const plan = samplePlan(choice);
    const script = explained(choice);
    const finish = script.slice(
      script.indexOf("finish() {"),
      script.indexOf("\n}\n", script.indexOf("finish() {")),
    );
    assertMatch(script, /\ntrap finish EXIT\n/);
    assert(
      script.indexOf("trap finish EXIT") < script.indexOf("mkdir -m 711"),
      "before the first thing is made",
    );
    assert(finish.trimEnd().endsWith('rm -rf "$work"'));
    for (const undo of plan.undo) {
      if (undo.undo !== "remove-cgroups") continue;
      for (const path of undo.folders) {
        assert(finish.includes(`rmdir ${path} `), path);
      }
    }
    const hasBridge = plan.steps.some((step) => step.do === "make-network");
    assertEquals(finish.includes("ip link delete dhow0"), hasBridge);
    assertEquals(finish.includes("rules-to-remove"), hasBridge);
  });
}

Deno.test("the script removes its rules as it made them: jumps first, then the chains", () => {
  const { documents } = takeApart(explained());
  assertEquals(documents.get('cat >"$work/rules-to-remove-dhow0"')?.trim().split("\n"), [
    "*mangle",
    "-D FORWARD -j DHOW-dhow0",
    "-F DHOW-dhow0",
    "-X DHOW-dhow0",
    "COMMIT",
    "*filter",
    "-D FORWARD -j DHOW-dhow0",
    "-D INPUT -i dhow0 -j DHOW-dhow0-IN",
    "-F DHOW-dhow0",
    "-F DHOW-dhow0-IN",
    "-X DHOW-dhow0",
    "-X DHOW-dhow0-IN",
    "COMMIT",
    "*nat",
    "-D POSTROUTING -j DHOW-dhow0",
    "-D PREROUTING ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j DHOW-dhow0-PORTS",
    "-D OUTPUT -m addrtype --dst-type LOCAL -j DHOW-dhow0-PORTS",
    "-F DHOW-dhow0",
    "-F DHOW-dhow0-PORTS",
    "-X DHOW-dhow0",
    "-X DHOW-dhow0-PORTS",
    "COMMIT",
  ]);
});

Deno.test("the script uses nft where there is no iptables, and tells firewalld where it runs", async () => {
  const script = explained({}, undefined, { backend: "nft", hasFirewalld: true });
  assertEquals((await shell(script, { args: ["-n"] })).stderr, "");
  const { commands, documents } = takeApart(script);
  assert(documents.get("nft -f -")?.includes("table ip dhow0 {"));
  assert(commands.includes("nft delete table ip dhow0 "));
  assert(commands.includes("firewall-cmd -q --zone=trusted --add-interface=dhow0\n"));
  assert(commands.includes("firewall-cmd -q --zone=trusted --remove-interface=dhow0 "));
  assert(!commands.includes("iptables"));
});

Deno.test("the script unpacks the layers of an archive, and none of an image in the store", () => {
  const script = explained({}, ARCHIVE);
  assert(script.includes("tar -xf '/data/busy box.tar' -C /tmp/dhow-sample/image\n"));
  const unpacked = script.split("\n").filter((line) => line.startsWith("unpack_layer "));
  assertEquals(
    unpacked,
    ARCHIVE.layers.map(({ name, folder }) => `unpack_layer /tmp/dhow-sample/image/${name} ${folder}`),
  );
  assert(!explained().includes("tar -xf"));
});

Deno.test("the script takes the layers of a folder from there", () => {
  const script = explained({}, { ...ARCHIVE, path: "/data/layout", isFolder: true });
  const unpacked = script.split("\n").filter((line) => line.startsWith("unpack_layer "));
  assertEquals(
    unpacked,
    ARCHIVE.layers.map(({ name, folder }) => `unpack_layer /data/layout/${name} ${folder}`),
  );
  assert(!script.includes("mkdir /tmp/dhow-sample/image") && !script.includes("tar -xf /data/layout"));
});

Deno.test("the script has the files that the container gets below /etc, as they are", () => {
  const files = { "/etc/hosts": "127.0.0.1\tlocalhost\n\n# a\\b $(c) `d` 'e'\n", "/etc/hostname": "END\n" };
  const { documents } = takeApart(explained({ files }));
  for (const [name, text] of Object.entries(files)) {
    const [, written] = [...documents].find(([begin]) => begin.endsWith(name)) ?? [];
    assertEquals(written, text);
  }
});

Deno.test("the command line that is explained stays within its comment", () => {
  const title = "dhow run 'a\nrm -rf /\n'";
  const plan = samplePlan();
  const script = explain({
    title,
    workFolder: "/tmp/w",
    archive: undefined,
    plan,
    firewalls: firewallsOf(plan),
  });
  assert(!script.includes("\nrm -rf /\n"));
});

const HOSTILE = [
  "a'b",
  'a"b',
  "$(touch /tmp/x)",
  "`touch /tmp/x`",
  "a;b|c&d>e<f",
  "two\nlines",
  "trailing\n",
  "\n",
  "\\",
  "'\\''",
  "$work",
  "~",
  "*",
  "#",
  "-n",
  "--",
  "",
  " ",
  "ü€𝄞",
  "\x1b[2J",
  "!history",
  "x\nEND\ntouch /tmp/x\n",
  "<<'END'",
];

for (const text of HOSTILE) {
  const shown = JSON.stringify(text);

  Deno.test(`the program gets the word ${shown} as it is, and nothing else happens`, async () => {
    const { words, environment, stderr } = await runLastCommand({
      options: { command: ["/bin/echo", text, "last"], env: [`VALUE=${text}`], workingDir: "/some where" },
      user: { uid: 7, gid: 8, additionalGids: [9, 10] },
    });
    assertEquals(stderr, "");
    assertEquals(words, [
      "--regid=8",
      "--groups=9,10",
      "--bounding-set=-all,+chown,+dac_override,+fsetid,+fowner,+mknod,+net_raw,+setgid,+setuid,+setfcap,+setpcap," +
      "+net_bind_service,+sys_chroot,+kill,+audit_write",
      "--inh-caps=-all",
      "unshare",
      "--root=.",
      "--wd=/some where",
      "--setuid=7",
      "--",
      "/bin/echo",
      text,
      "last",
    ]);
    assert(environment.includes(`VALUE=${text}`));
  });

  Deno.test(`no word ${shown} of an image becomes a command of the script`, () => {
    const hostile = explained({
      options: { command: ["/bin/echo", text] },
      config: { env: [`VALUE=${text}`], workingDir: `/${text}` },
    });
    const tame = explained({
      options: { command: ["/bin/echo", "tame"] },
      config: { env: ["VALUE=tame"], workingDir: "/tame" },
    });
    assertEquals(takeApart(hostile).commands, takeApart(tame).commands);
  });

  Deno.test(`the scripts of an image that says ${shown} are still ones that sh understands`, async () => {
    const script = explained({
      options: { command: ["/bin/echo", text] },
      config: { workingDir: `/${text}` },
    });
    for (const written of [script, ...writtenScripts(script).values()]) {
      const { code, stderr } = await shell(written, { args: ["-n"] });
      assertEquals([code, stderr], [0, ""]);
    }
  });
}

for (const entry of ["-u=PATH", "--chdir=/", "-S=touch /tmp/x", "A B=C"]) {
  Deno.test(`a variable "${entry}" of an image is a variable, and no option of env`, async () => {
    const { words, environment, stderr } = await runLastCommand({ config: { env: [entry, "B=2"] } });
    assertEquals(stderr, "");
    assertEquals(words.at(-1), "sh");
    assert(environment.includes(entry), String(environment));
    assert(environment.includes("B=2"));
  });
}

for (const entry of ["touch", "NAME", ""]) {
  Deno.test(`an image's variable ${JSON.stringify(entry)} without a value is not run as a program of the host`, async () => {
    let result;
    try {
      result = await runLastCommand({ config: { env: [entry] } });
    } catch {
      return; // refused before anything is printed
    }
    assertEquals(result.stderr, "");
    assertEquals(result.words.at(-1), "sh");
  });
}
