import { assert, assertEquals } from "@std/assert";
import { DHOW } from "../support/host.ts";
import { busyboxArchive } from "../support/images.ts";
import { ADDRESS, TestRegistry } from "../support/registry.ts";
import { systemTest } from "../support/system_test.ts";
import { Terminal } from "../support/terminal.ts";

systemTest("at a terminal a pull draws its layers over and over, and leaves them there", async (host) => {
  await using registry = await TestRegistry.start(host);
  await registry.put(await busyboxArchive(), "app:1");
  await using terminal = new Terminal(host, [DHOW, "pull", `${ADDRESS}/app:1`], { rows: 24, columns: 60 });
  assertEquals(await terminal.exitCode(), 0);
  await terminal.see(/Status: Downloaded newer image/);
  // deno-lint-ignore no-control-regex -- what a terminal is told
  const control = /\x1b\[(\d*[A-Z])/g;
  const used = new Set(
    Array.from(terminal.screen.matchAll(control), ([, sequence]) => sequence!.replace(/\d+/, "n")),
  );
  // it moves up and erases; the cursor is neither hidden nor left anywhere else
  assertEquals([...used].sort(), ["J", "K", "nA"]);
  const lines = terminal.screen.replace(control, "").split(/[\r\n]+/)
    .filter((line) => /^(\w{12}|Total): /.test(line));
  assert(lines.every((line) => line.length < 60), terminal.screen);
  const [first, second, total] = lines.slice(-3) as [string, string, string];
  assertEquals([first, second].map((line) => line.slice(12)), [": Pull complete", ": Pull complete"]);
  assert(/^Total: 2\/2 layers, [\d.]+MB\/[\d.]+MB {2}[\d.]+[kM]B\/s$/.test(total), total);
});
