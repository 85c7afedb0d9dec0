import { assert, assertEquals, assertMatch } from "@std/assert";
import { assertSuccess } from "../support/containers.ts";
import { DHOW, type Host } from "../support/host.ts";
import { archive } from "../support/image.ts";
import { busyboxArchive } from "../support/images.ts";
import { ADDRESS, TestRegistry } from "../support/registry.ts";
import { systemTest } from "../support/system_test.ts";
import { tar } from "../support/tar.ts";
import { Terminal } from "../support/terminal.ts";

// deno-lint-ignore no-control-regex -- what a terminal is told
const CONTROL = /\x1b\[(\d*[A-Z])/g;
// deno-lint-ignore no-control-regex -- and with this, to begin anew
const UP = /\x1b\[\d*A/;

/** What a command leaves on a terminal, without what it drew over. */
async function lastScreen(host: Host, argv: readonly string[]): Promise<string[]> {
  await using terminal = new Terminal(host, argv, { rows: 24, columns: 100 });
  assertEquals(await terminal.exitCode(), 0);
  await terminal.see(/the end/);
  const last = terminal.screen.split(UP).at(-1)!;
  return last.replace(CONTROL, "").split(/[\r\n]+/).filter((line) => line !== "");
}

systemTest("at a terminal a pull draws its layers over and over, and leaves them there", async (host) => {
  await using registry = await TestRegistry.start(host);
  await registry.put(await busyboxArchive(), "app:1");
  await using terminal = new Terminal(host, [DHOW, "pull", `${ADDRESS}/app:1`], { rows: 24, columns: 60 });
  assertEquals(await terminal.exitCode(), 0);
  await terminal.see(/Status: Downloaded newer image/);
  const used = new Set(
    Array.from(terminal.screen.matchAll(CONTROL), ([, sequence]) => sequence!.replace(/\d+/, "n")),
  );
  // it moves up and erases; the cursor is neither hidden nor left anywhere else
  assertEquals([...used].sort(), ["J", "K", "nA"]);
  const lines = terminal.screen.replace(CONTROL, "").split(/[\r\n]+/)
    .filter((line) => /^(\w{12}|Total): /.test(line));
  assert(lines.every((line) => line.length < 60), terminal.screen);
  const [first, second, total] = lines.slice(-3) as [string, string, string];
  assertEquals([first, second].map((line) => line.slice(12)), [": Pull complete", ": Pull complete"]);
  assert(/^Total: 2\/2 layers, [\d.]+MB\/[\d.]+MB {2}[\d.]+[kM]B\/s$/.test(total), total);
});

/** An image of two layers, and a third which is the first again. */
function twoLayers(): Uint8Array {
  const [lower, upper] = [1, 2].map((digit) => tar([{ path: "file", content: String(digit).repeat(4096) }]));
  return archive({ layers: [lower!, upper!, lower!], tags: ["app:1"] });
}

const LINES = (done: string) => [
  new RegExp(`^\\w{12}: ${done}$`),
  new RegExp(`^\\w{12}: ${done}$`),
  /^Total: 2\/2 layers, ([\d.]+kB)\/\1/,
];

systemTest("at a terminal load and save draw their layers, and what they print comes after", async (host) => {
  const file = await host.write("app.tar", twoLayers());
  const shell = (script: string) => ["sh", "-c", `${script}; echo the end`, DHOW, file];
  for (
    const [script, expected] of [
      ['"$0" load -i "$1"', [...LINES("Loaded"), /^Loaded image: app:1$/]],
      ['"$0" load -i "$1"', [/^Loaded image: app:1$/]], // all is there already
      ['"$0" save app:1 >"$1.saved"', LINES("Saved")],
      ['"$0" save -o "$1.saved" app:1', LINES("Saved")],
      ['"$0" save -q -o "$1.saved" app:1', []],
      ['"$0" rmi app:1 >"$1.saved"; gzip -c "$1" | "$0" load', [...LINES("Loaded"), /^Loaded image: app:1$/]],
      ['"$0" rmi app:1 >"$1.saved"; "$0" load -q -i "$1"', [/^Loaded image: app:1$/]],
    ] as const
  ) {
    const lines = await lastScreen(host, shell(script));
    assertEquals(lines.length, expected.length + 1, `${script}: ${lines.join("\n")}`);
    expected.forEach((line, index) => assertMatch(lines[index]!, line, script));
  }
});

systemTest(
  "into a file load and save tell in plain lines what they do; standard output has docker's",
  async (host) => {
    const file = await host.write("app.tar", twoLayers());
    const tell = (text: string) => text.replaceAll(/^\w{12}: /gm, "");
    const shell = (script: string) => host.run(["sh", "-c", script, DHOW, file]);
    const loaded = await shell('gzip -c "$1" | "$0" load');
    assertEquals([loaded.code, loaded.stdout, tell(loaded.stderr)], [
      0,
      "Loaded image: app:1\n",
      "archive: Reading\narchive: Read\narchive: Uncompressing\narchive: Uncompressed\n" +
      "Loading layer\nLoaded\nLoading layer\nLoaded\n",
    ]);
    const saved = await shell('"$0" save -o "$1.saved" app:1');
    assertEquals([saved.code, saved.stdout, tell(saved.stderr)], [0, "", "Saving\nSaved\nSaving\nSaved\n"]);
    assertSuccess(await shell('"$0" rmi app:1 && gzip -c "$1" | "$0" load -q && "$0" save -q app:1'));
  },
);
