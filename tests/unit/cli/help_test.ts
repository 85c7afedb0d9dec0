import { assert, assertEquals, assertThrows } from "@std/assert";
import { parse, withHelp } from "../../../src/cli/command.ts";
import { COMMANDS, type Entry } from "../../../src/cli/commands.ts";
import { main } from "../../../src/cli/main.ts";
import { OptionError } from "../../../src/errors.ts";
import { RUN_OPTIONS } from "../../../src/cli/run_options.ts";

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

/** All verbs, also those of groups. */
const VERBS: readonly (readonly [verb: string, entry: Entry])[] = Object.entries(COMMANDS).flatMap(
  ([verb, entry]) =>
    "verbs" in entry
      ? Object.entries(entry.verbs).map(([second, each]) => [`${verb} ${second}`, each] as const)
      : [[verb, entry] as const],
);

for (const [verb, entry] of VERBS) {
  const { command } = await entry.load();

  Deno.test(`dhow ${verb} --help lists all of its options, on standard output`, async () => {
    const { code, stdout, stderr } = await dhow(...verb.split(" "), "--help");
    assertEquals((await dhow("help", ...verb.split(" "))).stdout, stdout);
    assertEquals([code, stderr], [0, ""]);
    assert(stdout.startsWith(`Usage: dhow ${verb} ${command.usage}`.trimEnd()), stdout);
    assert(!stdout.includes("not yet"), "it lists what there is not");
    for (const { name, help, isHidden = false } of command.options) {
      assertEquals(stdout.includes(`--${name} `) && stdout.includes(help), !isHidden, name);
    }
  });

  Deno.test(`dhow ${verb} takes each option that its --help lists, and no other`, async () => {
    const { stdout } = await dhow(...verb.split(" "), "--help");
    const rows = [...stdout.matchAll(/^ {2}(?:-(\S), | {4})--([\w-]+)( \S+)? {2}/gm)];
    assertEquals(rows.length, stdout.split("Options:\n")[1]?.trimEnd().split("\n").length, stdout);
    for (const [row, short, name, value] of rows) {
      for (const spelled of [`--${name}`, ...(short === undefined ? [] : [`-${short}`])]) {
        const words = value === undefined ? [spelled] : value.trim().startsWith("[") // it need not be there
          ? [`${spelled}=1`]
          : [spelled, "1"];
        const { options, args } = parse(verb, withHelp(command.options), [...words, "x"], true);
        assertEquals([options.isGiven(name!), args], [true, ["x"]], row);
      }
    }
    assertThrows(() => parse(verb, withHelp(command.options), ["--no-such-option"]), OptionError);
  });
}

Deno.test("dhow explain run --help lists the options of run", async () => {
  const { stdout } = await dhow("explain", "run", "--help");
  for (const { name, isHidden = false } of RUN_OPTIONS) {
    assertEquals(stdout.includes(`--${name} `), !isHidden, name);
  }
});

Deno.test("dhow --help lists the commands and the options before them", async () => {
  const { code, stdout, stderr } = await dhow("--help");
  assertEquals([code, stderr], [0, ""]);
  const verbs = Object.entries(COMMANDS).filter(([, entry]) => !("isHidden" in entry)).map(([verb]) => verb);
  for (const word of [...verbs, "--root DIR", "--debug", "--version", "--help"]) {
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
    [["version", "x"], "no arguments"],
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
