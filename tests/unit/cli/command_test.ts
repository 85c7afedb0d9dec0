import { assert, assertEquals, assertThrows } from "@std/assert";
import { type Command, helpText, type Option, parse } from "../../../src/cli/command.ts";
import { UsageError } from "../../../src/errors.ts";

const OPTIONS: readonly Option[] = [
  { name: "interactive", short: "i", help: "" },
  { name: "tty", short: "t", help: "" },
  { name: "rm", help: "" },
  { name: "name", formerName: "called", value: "NAME", help: "" },
  { name: "entrypoint", value: "PROGRAM", help: "" },
  { name: "env", short: "e", value: "NAME=VALUE", repeats: true, help: "" },
  { name: "user", short: "u", value: "USER", help: "" },
  { name: "workdir", short: "w", value: "DIR", help: "" },
];

/** What `dhow run` makes of its arguments. */
function run(...args: string[]) {
  const { options, args: rest } = parse("dhow run", OPTIONS, args, true);
  const on = ["interactive", "tty", "rm"].filter((name) => options.flag(name));
  const texts = Object.fromEntries(
    ["name", "entrypoint", "user", "workdir"].flatMap((name) => {
      const text = options.text(name);
      return text === undefined ? [] : [[name, text]];
    }),
  );
  return { on, ...texts, env: options.list("env"), rest };
}

/** The same with what is not given left out. */
const NOTHING = { on: [] as string[], env: [] as string[], rest: ["image"] };

const HABITS: readonly [
  args: string[],
  meaning: Partial<ReturnType<typeof run>> & Record<string, unknown>,
][] = [
  [["image"], {}],
  [["-i", "-t", "image"], { on: ["interactive", "tty"] }],
  [["-it", "image"], { on: ["interactive", "tty"] }],
  [["-ti", "--rm", "image"], { on: ["interactive", "tty", "rm"] }],
  [["--rm", "--rm", "image"], { on: ["rm"] }],
  [["--tty=true", "image"], { on: ["tty"] }],
  [["--tty=false", "image"], {}],
  [["-t=true", "image"], { on: ["tty"] }],
  [["-t=false", "image"], {}],
  [["-t=1", "--rm=T", "image"], { on: ["tty", "rm"] }],
  [["-t", "--tty=0", "--rm=FALSE", "image"], {}],
  [["--name", "web", "image"], { name: "web" }],
  [["--name=web", "image"], { name: "web" }],
  [["--called", "web", "image"], { name: "web" }],
  [["--called=web", "image"], { name: "web" }],
  [["--name", "a", "--name", "b", "image"], { name: "b" }],
  [["--name=007", "image"], { name: "007" }],
  [["--name", "007", "image"], { name: "007" }],
  [["--name", "-x", "image"], { name: "-x" }],
  [["--entrypoint", "", "image"], { entrypoint: "" }],
  [["--entrypoint=", "image"], { entrypoint: "" }],
  [["-e", "A=B", "--env", "C", "image"], { env: ["A=B", "C"] }],
  [["-e", "A=B=C", "image"], { env: ["A=B=C"] }],
  [["-e=A=B", "image"], { env: ["A=B"] }],
  [["-eA=B", "image"], { env: ["A=B"] }],
  [["--env=A=B", "image"], { env: ["A=B"] }],
  [["-e", "-A=1", "image"], { env: ["-A=1"] }],
  [["-e", "A=two words", "image"], { env: ["A=two words"] }],
  [["-u", "0:0", "image"], { user: "0:0" }],
  [["-u1000", "image"], { user: "1000" }],
  [["-unobody", "image"], { user: "nobody" }],
  [["-itu", "0", "image"], { on: ["interactive", "tty"], user: "0" }],
  [["-itu0", "image"], { on: ["interactive", "tty"], user: "0" }],
  [["-w/tmp", "image"], { workdir: "/tmp" }],
  [["-w", "/a b", "image"], { workdir: "/a b" }],
  [["--", "image"], {}],
  [["--rm", "--", "image"], { on: ["rm"] }],
  [["--", "-image"], { rest: ["-image"] }],
  [["--rm", "true"], { on: ["rm"], rest: ["true"] }],
  [["-i", "false", "x"], { on: ["interactive"], rest: ["false", "x"] }],
  [["-", "x"], { rest: ["-", "x"] }],
];

for (const [args, meaning] of HABITS) {
  Deno.test(`dhow run ${args.map((arg) => JSON.stringify(arg)).join(" ")} means what it means to docker`, () => {
    assertEquals(run(...args), { ...NOTHING, ...meaning });
  });
}

const PROGRAMS = [
  ["ls", "-l", "--rm", "-e", "A=B"],
  ["sh", "-c", "echo $1", "--", "a"],
  ["grep", "--", "-x", "file"],
  ["--"],
  ["echo", "007", "1e3", "0x10", "", " ", "true", "-", "--name"],
  ["--help"],
  ["-i=maybe", "--rm=maybe", "--no-such-option"],
];

for (const program of PROGRAMS) {
  Deno.test(`what follows IMAGE is the program's, word by word: ${JSON.stringify(program)}`, () => {
    assertEquals(run("--rm", "image", ...program), { ...NOTHING, on: ["rm"], rest: ["image", ...program] });
    assertEquals(run("--", "image", ...program).rest, ["image", ...program]);
  });
}

const MISTAKES: readonly [args: string[], said: string][] = [
  [["--nope", "image"], "--nope"],
  [["--nope=1", "image"], "--nope"],
  [["--na", "web", "image"], "--na"],
  [["-x", "image"], "-x"],
  [["-ix", "image"], "-ix"],
  [["--no-rm", "image"], "--no-rm"],
  [["--__proto__=x", "image"], "--__proto__"],
  [["--rm.x=1", "image"], "--rm.x"],
  [["-name", "web", "image"], "-name"],
  [["--rm=maybe", "image"], "maybe"],
  [["--rm=", "image"], "--rm"],
  [["--name"], "NAME"],
  [["-e"], "NAME=VALUE"],
  [["-it", "-u"], "USER"],
];

for (const [args, said] of MISTAKES) {
  Deno.test(`dhow run ${args.join(" ")} is refused, with what is wrong and where to look`, () => {
    const error = assertThrows(() => run(...args), UsageError, said);
    assertEquals(error.exitCode, 125);
    assert(error.message.includes("dhow run --help"));
  });
}

Deno.test("a command without a program takes options after its arguments, too", () => {
  const options: readonly Option[] = [{ name: "quiet", short: "q", help: "" }];
  const { options: parsed, args } = parse("dhow images", options, ["busybox", "-q", "007"]);
  assertEquals([parsed.flag("quiet"), args], [true, ["busybox", "007"]]);
  const after = parse("dhow images", options, ["a", "--", "-q"]);
  assertEquals([after.options.flag("quiet"), after.args], [false, ["a", "-q"]]);
  assertThrows(() => parse("dhow images", options, ["busybox", "--nope"]), UsageError, "--nope");
});

Deno.test("a switch may be called no-something, and may be on unless it is turned off", () => {
  const options: readonly Option[] = [
    { name: "no-trunc", help: "" },
    { name: "human", short: "H", isOnByDefault: true, help: "" },
  ];
  const flags = (...args: string[]) => {
    const { options: parsed } = parse("dhow history", options, args);
    return [parsed.flag("no-trunc"), parsed.flag("human")];
  };
  assertEquals(flags(), [false, true]);
  assertEquals(flags("--no-trunc", "-H"), [true, true]);
  assertEquals(flags("--no-trunc=true", "--human"), [true, true]);
  assertEquals(flags("--no-trunc=false", "--human=false"), [false, false]);
  assertEquals(flags("-H=false", "--no-trunc"), [true, false]);
});

Deno.test("an option that is not given has no value", () => {
  const { options } = parse("dhow run", OPTIONS, ["image"], true);
  assertEquals([options.flag("rm"), options.text("name"), options.list("env")], [false, undefined, []]);
});

Deno.test("an option that is given is told from one that has its usual value", () => {
  const given = (...args: string[]) => {
    const { options } = parse("dhow run", OPTIONS, args, true);
    return [options.isGiven("rm"), options.flag("rm")];
  };
  assertEquals(given("image"), [false, false]);
  assertEquals(given("image", "--rm=false"), [false, false]);
  assertEquals(given("--rm=false", "image"), [true, false]);
  assertEquals(given("--rm", "image"), [true, true]);
  const { options } = parse("dhow run", OPTIONS, ["--name", "x", "-e", "A=1"], true);
  assertEquals(["name", "env", "rm"].map((name) => options.isGiven(name)), [true, true, false]);
});

Deno.test("help lists every option with its letter, its value and what it does", () => {
  const options = OPTIONS.map((option) => ({ ...option, help: `about ${option.name}` }));
  const command: Command = { usage: "IMAGE", summary: "Do it.", options, run: () => Promise.resolve(0) };
  const lines = helpText("run", command).split("\n");
  assertEquals(lines[0], "Usage: dhow run IMAGE");
  assert(lines.includes("Do it."));
  for (const { name, short, value, help } of options) {
    const line = lines.find((line) => line.includes(` --${name} `)) ?? "";
    assert(line.endsWith(` ${help}`), name);
    if (short !== undefined) assert(line.includes(`-${short}, --${name}`), line);
    if (value !== undefined) assert(line.includes(`--${name} ${value} `), line);
  }
  assert(lines.some((line) => line.includes("--help")));
});
