/** Instructions of a Dockerfile that change an image's config: what `--change` of `commit` and `import` takes. */
import { normalize } from "@std/path";
import { SIGNALS } from "../../../ffi/constants.ts";
import { UsageError } from "../../errors.ts";
import { parseHealthcheck } from "./healthcheck.ts";
import { type ProcessConfig, textOf, textsOf, withMembers, withVariable } from "./process_config.ts";
import { expandWord, splitWords } from "./words.ts";

/** What an instruction is told. */
interface Context {
  readonly config: ProcessConfig;
  /** All after the instruction's name, without blanks around it. */
  readonly text: string;
  /** What a word stands for, with the variables of the config. */
  readonly expand: (word: string) => string;
  /** Names of the instructions before it, in one commit. */
  readonly before: ReadonlySet<string>;
}

const INSTRUCTIONS: Readonly<Record<string, (context: Context) => ProcessConfig>> = {
  CMD: ({ config, text }) => ({ ...config, Cmd: commandOf(config, text) }),
  ENTRYPOINT({ config, text, before }) {
    const changed = { ...config, Entrypoint: text === "" ? null : commandOf(config, text) };
    // the old command was meant for the old entrypoint
    return before.has("CMD") ? changed : { ...changed, Cmd: null };
  },
  ENV({ config, text, expand }) {
    let env = [...textsOf(config, "Env")];
    for (const [name, value] of pairs("ENV", text, expand)) env = withVariable(env, name, value);
    return { ...config, Env: env };
  },
  EXPOSE({ config, text, expand }) {
    const ports = words("EXPOSE", text).flatMap((word) => splitWords(expand(word))).flatMap(portsOf);
    return {
      ...config,
      ExposedPorts: withMembers(config, "ExposedPorts", ports.map((port) => [port, {}])),
    };
  },
  HEALTHCHECK: ({ config, text }) => ({ ...config, Healthcheck: parseHealthcheck(text, jsonTexts) }),
  LABEL: ({ config, text, expand }) => ({
    ...config,
    Labels: withMembers(config, "Labels", pairs("LABEL", text, expand)),
  }),
  ONBUILD({ config, text }) {
    const name = /^\S*/.exec(text)![0].toUpperCase();
    if (name === "" || ["ONBUILD", "FROM", "MAINTAINER"].includes(name)) {
      throw new SyntaxError(
        name === "" ? "ONBUILD takes an instruction" : `${name} is no trigger of ONBUILD`,
      );
    }
    return { ...config, OnBuild: [...textsOf(config, "OnBuild"), text] };
  },
  STOPSIGNAL({ config, text, expand }) {
    const signal = expand(single("STOPSIGNAL", text));
    if (!isSignal(signal)) throw new SyntaxError(`${JSON.stringify(signal)} is no signal`);
    return { ...config, StopSignal: signal };
  },
  USER: ({ config, text, expand }) => ({ ...config, User: expand(single("USER", text)) }),
  VOLUME({ config, text, expand }) {
    const volumes = (jsonTexts(text) ?? words("VOLUME", text)).map(expand);
    if (volumes.length === 0 || volumes.includes("")) throw new SyntaxError("VOLUME takes paths");
    return { ...config, Volumes: withMembers(config, "Volumes", volumes.map((path) => [path, {}])) };
  },
  WORKDIR({ config, text, expand }) {
    const path = expand(single("WORKDIR", text));
    const current = textOf(config, "WorkingDir");
    return { ...config, WorkingDir: path.startsWith("/") ? path : normalize(`/${current}/${path}`) };
  },
};

/**
 * Carries out instructions on the `config` member of an image's config.
 * @param changes as given on the command line, each with one instruction or several lines of them
 * @throws {UsageError} for what is none of those instructions, or is written wrongly
 */
export function applyChanges(config: ProcessConfig, changes: readonly string[]): ProcessConfig {
  const before = new Set<string>();
  for (const line of changes.flatMap(linesOf)) {
    const [, name = "", text = ""] = /^(\S+)\s*([^]*)$/.exec(line) ?? [];
    const instruction = name.toUpperCase();
    const apply = Object.hasOwn(INSTRUCTIONS, instruction) ? INSTRUCTIONS[instruction] : undefined;
    const what = `cannot make the change ${JSON.stringify(line)}`;
    if (apply === undefined) {
      const hint = `--change takes ${Object.keys(INSTRUCTIONS).join(", ")}`;
      throw new UsageError({ what, why: `${JSON.stringify(name)} is not a valid change command`, hint });
    }
    const variables = new Map(
      textsOf(config, "Env").map((entry) => {
        const equals = entry.indexOf("=");
        return [entry.slice(0, equals), entry.slice(equals + 1)];
      }),
    );
    const expand = (word: string) => expandWord(word, (variable) => variables.get(variable));
    try {
      config = apply({ config, text, expand, before });
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
      throw new UsageError({ what, why: error.message, cause: error });
    }
    before.add(instruction);
  }
  return config;
}

/** The instructions in a text: one a line, unless a backslash joins it to the next; without comments. */
function linesOf(text: string): string[] {
  return text.replace(/\\[ \t]*\n/g, "").split("\n").map((line) => line.trim())
    .filter((line) => line !== "" && !line.startsWith("#"));
}

/** A list of texts in JSON; undefined for anything else, which is then a command of the shell. */
function jsonTexts(text: string): string[] | undefined {
  if (!text.startsWith("[")) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return Array.isArray(value) && value.every((item) => typeof item === "string") ? value : undefined;
  } catch {
    return undefined;
  }
}

function commandOf(config: ProcessConfig, text: string): readonly string[] {
  const args = jsonTexts(text);
  if (args !== undefined) return args;
  if (text === "") return [];
  const shell = textsOf(config, "Shell");
  return [...(shell.length > 0 ? shell : ["/bin/sh", "-c"]), text];
}

/** `NAME=value NAME=value`, or a single `NAME value` in which quotes mean nothing special to the splitting. */
function pairs(instruction: string, text: string, expand: (word: string) => string): [string, string][] {
  const [first = "", ...rest] = words(instruction, text);
  if (!first.includes("=")) {
    const [, name = "", value = ""] = /^(\S+)\s+([^]+)$/.exec(text) ?? [];
    if (name === "") throw new SyntaxError(`${instruction} must have two arguments`);
    return [[expand(name), expand(value)]];
  }
  return [first, ...rest].map((word) => {
    const equals = word.indexOf("=");
    if (equals < 0) throw new SyntaxError(`there is no "=" in ${JSON.stringify(word)}`);
    const name = expand(word.slice(0, equals));
    if (name === "") throw new SyntaxError("a name is missing");
    return [name, expand(word.slice(equals + 1))];
  });
}

function words(instruction: string, text: string): string[] {
  const found = splitWords(text);
  if (found.length === 0) throw new SyntaxError(`${instruction} takes at least one argument`);
  return found;
}

function single(instruction: string, text: string): string {
  if (text === "") throw new SyntaxError(`${instruction} takes one argument`);
  return text;
}

/** `80`, `80/udp` or `8000-8002/tcp`, as `80/tcp` and so on. */
function portsOf(text: string): string[] {
  const [, first = "", last = first, protocol = "tcp"] =
    /^([0-9]{1,5})(?:-([0-9]{1,5}))?(?:\/(tcp|udp|sctp))?$/i.exec(text) ?? [];
  const [from, to] = [Number(first), Number(last)];
  if (first === "" || from > to || to > 65535) {
    throw new SyntaxError(`${JSON.stringify(text)} is no port such as 80 or 80-90/udp`);
  }
  return Array.from({ length: to - from + 1 }, (_, index) => `${from + index}/${protocol.toLowerCase()}`);
}

function isSignal(text: string): boolean {
  const name = text.toUpperCase().replace(/^(SIG)?/, "SIG");
  return Object.hasOwn(SIGNALS, name) || /^SIGRT(MIN|MAX)([+-][0-9]{1,2})?$/.test(name) ||
    (/^[0-9]{1,2}$/.test(text) && Number(text) >= 1 && Number(text) <= 64);
}
