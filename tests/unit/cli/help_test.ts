import { assert, assertEquals } from "@std/assert";
import { command as commit } from "../../../src/cli/commit.ts";
import { command as inspectContainer } from "../../../src/cli/container/inspect.ts";
import { command as pause } from "../../../src/cli/container/pause.ts";
import { command as unpause } from "../../../src/cli/container/unpause.ts";
import { command as port } from "../../../src/cli/container/port.ts";
import { command as pruneContainers } from "../../../src/cli/container/prune.ts";
import { command as stats } from "../../../src/cli/container/stats.ts";
import { command as top } from "../../../src/cli/container/top.ts";
import { command as update } from "../../../src/cli/container/update.ts";
import { command as df } from "../../../src/cli/system/df.ts";
import { command as events } from "../../../src/cli/system/events.ts";
import { command as info } from "../../../src/cli/system/info.ts";
import { command as pruneSystem } from "../../../src/cli/system/prune.ts";
import { command as explain } from "../../../src/cli/explain.ts";
import { command as exportCommand } from "../../../src/cli/export.ts";
import { command as history } from "../../../src/cli/image/history.ts";
import { command as inspectImage } from "../../../src/cli/image/inspect.ts";
import { command as images } from "../../../src/cli/image/list.ts";
import { command as load } from "../../../src/cli/image/load.ts";
import { command as prune } from "../../../src/cli/image/prune.ts";
import { command as pull } from "../../../src/cli/image/pull.ts";
import { command as push } from "../../../src/cli/image/push.ts";
import { command as rmi } from "../../../src/cli/image/remove.ts";
import { command as tag } from "../../../src/cli/image/tag.ts";
import { command as inspect } from "../../../src/cli/inspect.ts";
import { command as importCommand } from "../../../src/cli/import.ts";
import { command as login } from "../../../src/cli/login.ts";
import { command as logout } from "../../../src/cli/logout.ts";
import { main } from "../../../src/cli/main.ts";
import { command as save } from "../../../src/cli/save.ts";
import { command as run } from "../../../src/cli/run.ts";

/** Runs dhow's command line in this process. */
async function dhow(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const texts: Record<"stdout" | "stderr", string> = { stdout: "", stderr: "" };
  const originals = { stdout: Deno.stdout.writeSync, stderr: Deno.stderr.writeSync };
  for (const stream of ["stdout", "stderr"] as const) {
    Deno[stream].writeSync = (bytes: Uint8Array) => {
      texts[stream] += new TextDecoder().decode(bytes);
      return bytes.length;
    };
  }
  try {
    return { code: await main(args), ...texts };
  } finally {
    Deno.stdout.writeSync = originals.stdout;
    Deno.stderr.writeSync = originals.stderr;
  }
}

const COMMANDS = {
  run,
  explain,
  images,
  load,
  save,
  commit,
  export: exportCommand,
  import: importCommand,
  history,
  inspect,
  pull,
  push,
  login,
  logout,
  rmi,
  tag,
  pause,
  unpause,
  top,
  stats,
  port,
  update,
  events,
  info,
  "container inspect": inspectContainer,
  "container prune": pruneContainers,
  "system df": df,
  "system prune": pruneSystem,
  "image history": history,
  "image inspect": inspectImage,
  "image load": load,
  "image ls": images,
  "image prune": prune,
  "image pull": pull,
  "image push": push,
  "image rm": rmi,
  "image tag": tag,
};

for (const [verb, command] of Object.entries(COMMANDS)) {
  Deno.test(`dhow ${verb} --help lists all of its options, on standard output`, async () => {
    const { code, stdout, stderr } = await dhow(...verb.split(" "), "--help");
    assertEquals((await dhow("help", ...verb.split(" "))).stdout, stdout);
    assertEquals([code, stderr], [0, ""]);
    assert(stdout.startsWith(`Usage: dhow ${verb} ${command.usage}`));
    for (const { name, help, isHidden = false } of command.options) {
      assertEquals(stdout.includes(`--${name} `) && stdout.includes(help), !isHidden, name);
    }
  });
}

Deno.test("dhow --help lists the commands and the options before them", async () => {
  const { code, stdout, stderr } = await dhow("--help");
  assertEquals([code, stderr], [0, ""]);
  for (
    const word of [
      "run",
      "explain",
      "load",
      "images",
      "save",
      "import",
      "export",
      "commit",
      "version",
      "--root DIR",
      "--debug",
      "--version",
      "--help",
    ]
  ) {
    assert(stdout.includes(` ${word} `), word);
  }
  assertEquals((await dhow("help")).stdout, stdout);
});

Deno.test("dhow image lists its verbs, and takes docker's other names for them", async () => {
  const { code, stdout, stderr } = await dhow("image");
  assertEquals([code, stderr], [0, ""]);
  assert(stdout.startsWith("Usage: dhow image COMMAND\n"));
  for (const verb of ["history", "inspect", "load", "ls", "prune", "rm", "tag"]) {
    assert(stdout.includes(`  ${verb} `), verb);
  }
  for (const args of [["--help"], ["-h"], ["help"]]) {
    assertEquals((await dhow("image", ...args)).stdout, stdout);
  }
  for (const [alias, verb] of [["list", "ls"], ["remove", "rm"], ["rmi", "rm"]] as const) {
    assertEquals((await dhow("image", alias, "--help")).stdout, (await dhow("image", verb, "--help")).stdout);
  }
});

Deno.test("dhow without a command prints its help, and fails", async () => {
  const { code, stdout } = await dhow();
  assertEquals(code, 1);
  assert(stdout.startsWith("Usage: dhow "));
});

Deno.test("the version is printed by the command and by the option", async () => {
  const { code, stdout } = await dhow("version");
  assertEquals(code, 0);
  assert(/^dhow version \d+\.\d+\.\d+\n$/.test(stdout), stdout);
  assertEquals((await dhow("--version")).stdout, stdout);
  assertEquals((await dhow("-v")).stdout, stdout);
});

for (
  const [args, said] of [
    [["frobnicate"], '"frobnicate"'],
    [["constructor"], '"constructor"'],
    [["--nope", "images"], "--nope"],
    [["images", "--nope"], "--nope"],
    [["run"], "IMAGE"],
    [["run", "--nope", "x"], "--nope"],
    [["explain"], "dhow explain run"],
    [["explain", "load"], '"load"'],
    [["explain", "run"], "IMAGE"],
    [["load", "x.tar"], "-i x.tar"],
    [["images", "a", "b"], "one argument"],
    [["images", "-f", "x"], "expected name=value"],
    [["images", "-f", "no=x"], "invalid filter 'no'"],
    [["image", "frobnicate"], '"frobnicate"'],
    [["image", "constructor"], '"constructor"'],
    [["image", "--nope"], "--nope"],
    [["image", "inspect"], "IMAGE"],
    [["image", "prune", "x"], "no arguments"],
    [["inspect"], "NAME"],
    [["history"], "IMAGE"],
    [["history", "a", "b"], "IMAGE"],
    [["tag", "a"], "TARGET_IMAGE"],
    [["tag", "a", "b", "c"], "TARGET_IMAGE"],
    [["rmi"], "IMAGE"],
  ] as const
) {
  Deno.test(`dhow ${args.join(" ")} is a mistake that is told in one line, with docker's exit code`, async () => {
    const expected = /^(run|explain)|--nope|-f x$/.test(args.join(" ")) ? 125 : 1;
    const { code, stdout, stderr } = await dhow(...args);
    assertEquals([code, stdout], [expected, ""]);
    assert(stderr.startsWith("dhow: ") && stderr.includes(said), stderr);
    assertEquals(stderr.split("\n").length, 2);
  });
}

Deno.test("--debug adds where an error comes from", async () => {
  const { stderr } = await dhow("--debug", "frobnicate");
  assert(/\n\s+at /.test(stderr), stderr);
  assert(!/\n\s+at /.test((await dhow("frobnicate")).stderr));
});

Deno.test("an error's text cannot move the terminal's cursor", async () => {
  const { stderr } = await dhow("a\x1b[2Jb\x07\rc\u009bd\n");
  // deno-lint-ignore no-control-regex -- they are what must not be there
  assert(!/[\x00-\x09\x0b-\x1f\x7f-\x9f]/.test(stderr), JSON.stringify(stderr));
});
