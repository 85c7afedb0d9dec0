import { childSteps, samplePlan } from "../container/sample.ts";
import { explain } from "../../../src/plan/explain.ts";
import type { Archive } from "../../../src/plan/explain_archive.ts";
import { firewallScript, type Ways } from "../../../src/network/firewall/explain.ts";
import type { Firewalls } from "../../../src/plan/explain_host.ts";
import type { Plan } from "../../../src/plan/step.ts";
import { lastCommand } from "../../../src/plan/explain_child.ts";
import type { Choice } from "../container/sample.ts";

/** What sh did with a script that it read from its standard input. */
export async function shell(
  script: string,
  options: { args?: string[]; env?: Record<string, string> } = {},
): Promise<{ code: number; stdout: string; stderr: string }> {
  const child = new Deno.Command("sh", {
    args: options.args ?? [],
    ...(options.env === undefined ? {} : { env: options.env }),
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(script));
  await writer.close();
  const { code, stdout, stderr } = await child.output();
  return { code, stdout: new TextDecoder().decode(stdout), stderr: new TextDecoder().decode(stderr) };
}

/** The rules of a plan's networks, on some host. */
export function firewallsOf(plan: Plan, ways: Partial<Ways> = {}): Firewalls {
  const usual: Ways = { backend: "iptables-nft", families: [4], hasFirewalld: false };
  return Object.fromEntries(plan.steps.flatMap((step) => {
    if (step.do !== "make-network") return [];
    const { filtered } = step.setup;
    return [[filtered.bridge, firewallScript(filtered, { ...usual, ...ways })]];
  }));
}

export function explained(
  choice: Choice = {},
  archive: Archive | undefined = undefined,
  ways: Partial<Ways> = {},
): string {
  const plan = samplePlan(choice);
  return explain({
    title: "dhow run sample",
    workFolder: "/tmp/dhow-sample",
    archive,
    plan,
    firewalls: firewallsOf(plan, ways),
  });
}

export interface Script {
  /** The lines that the shell takes for commands. */
  readonly commands: string;
  /** What the script writes into files or feeds to programs, by the line that begins it. */
  readonly documents: ReadonlyMap<string, string>;
}

/** Takes a script apart as a shell does: what lies between `<<'WORD'` and a line `WORD` is a document. */
export function takeApart(script: string): Script {
  const commands: string[] = [];
  const documents = new Map<string, string>();
  const lines = script.split("\n");
  for (let index = 0; index < lines.length; index++) {
    const line = lines[index] as string;
    commands.push(line.replace(/<<'\w+'$/, "<<"));
    const word = /<<'(\w+)'$/.exec(line)?.[1];
    if (word === undefined) continue;
    const end = lines.indexOf(word, index + 1);
    documents.set(
      line.replace(/ ?<<'\w+'$/, ""),
      lines.slice(index + 1, end).map((text) => `${text}\n`).join(""),
    );
    index = end;
  }
  return { commands: commands.join("\n"), documents };
}

/**
 * Runs the last command of a container's script with stand-ins for the programs that need root.
 * @returns what would have become the program: its words, from setpriv's options on, and its variables
 */
export async function runLastCommand(
  choice: Choice,
): Promise<{ words: string[]; environment: string[]; stderr: string }> {
  const folder = Deno.makeTempDirSync({ prefix: "dhow-unit-" });
  try {
    const standIn = '#!/bin/sh\ncat "/proc/$$/environ" >"$0.environ"\nprintf "%s\\0" "$@" >"$0.words"\n';
    for (const name of ["setpriv", "unshare"]) {
      Deno.writeTextFileSync(`${folder}/${name}`, standIn, { mode: 0o755 });
    }
    const lines = lastCommand(childSteps(samplePlan(choice))).join("\n");
    const { stderr } = await shell(lines, { env: { PATH: `${folder}:${Deno.env.get("PATH")}` } });
    const read = (name: string) => {
      try {
        return Deno.readTextFileSync(`${folder}/setpriv.${name}`).split("\0").slice(0, -1);
      } catch {
        return []; // it was not reached
      }
    };
    const words = read("words").map((word) => word.startsWith(folder) ? word.slice(folder.length + 1) : word);
    return { words, environment: read("environ"), stderr };
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}
