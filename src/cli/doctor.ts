import { resolve } from "@std/path";
import config from "../../deno.json" with { type: "json" };
import { examine } from "../doctor/examine.ts";
import { canRun, type Finding, judge } from "../doctor/judge.ts";
import { UsageError } from "../errors.ts";
import { type Paths, pathsUnder } from "../state/paths.ts";
import { isRootless } from "../state/user_namespace.ts";
import type { Command, GlobalOptions } from "./command.ts";
import { print, printable } from "./output.ts";

/** Of the JSON, which docs/doctor.md describes: it changes when something is taken away or means something else. */
const SCHEMA = 1;

export const command: Command = {
  usage: "[OPTIONS]",
  summary: "Check whether this host can run containers, and say what mends it.",
  options: [{ name: "json", help: "print JSON" }],
  async run({ args, options, global }) {
    if (args.length > 0) throw new UsageError({ what: "cannot check", why: "doctor takes no arguments" });
    const facts = await examine(await placesOf(global));
    const findings = judge(facts);
    const runs = canRun(findings);
    if (options.flag("json")) {
      const { uid, name } = facts.user;
      const report = { schema: SCHEMA, version: config.version, user: { uid, name }, canRun: runs, findings };
      print(`${JSON.stringify(report, undefined, 2)}\n`);
    } else {
      print([...findings.map(asLine), "", verdict(findings, runs), ""].join("\n"));
    }
    return runs ? 0 : 1;
  },
};

async function placesOf({ root }: GlobalOptions): Promise<Paths> {
  if (root !== undefined) return pathsUnder(resolve(root));
  return Deno.uid() === 0 && !isRootless()
    ? pathsUnder()
    : (await import("../rootless/paths.ts")).usersPaths();
}

/** `limited  ip  no "ip" command; only ... work; mend: apt-get install iproute2` */
function asLine({ status, check, text, instead, mend }: Finding): string {
  const parts = [
    text,
    ...(instead === undefined ? [] : [instead]),
    ...(mend === undefined ? [] : [`mend: ${mend}`]),
  ];
  return printable(`${status.padEnd(8)} ${check.padEnd(18)} ${parts.join("; ")}`);
}

function verdict(findings: readonly Finding[], runs: boolean): string {
  const count = (wanted: Finding["status"]) => findings.filter(({ status }) => status === wanted).length;
  const others = `${count("limited")} limited, ${count("unseen")} not seen`;
  return runs
    ? `Containers can run here (${others}).`
    : `Containers cannot run here: ${count("broken")} broken, ${others}.`;
}
