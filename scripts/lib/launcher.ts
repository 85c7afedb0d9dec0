/**
 * Where dist/dhow starts: loads the packs that scripts/lib/pack.ts made, each with V8's compiled code for it
 * (scripts/lib/code_cache.ts). In the sources main.ts stands for this.
 *
 * Parsing and compiling JavaScript is most of what a short command costs. Deno's own code cache would lie in /tmp under a
 * name that everybody knows; this one is a part of the executable.
 */
import process from "node:process";
import { Script } from "node:vm";

type Exports = Record<string, unknown>;
/** What a pack holds: modules as functions, by the names that other packs require them by. */
type Pack = (require: (name: string) => unknown) => Record<string, Exports>;

const loaded: Record<string, Exports> = {};

function load(pack: string): void {
  // a URL, not a path: where Deno's embedded files seem to lie depends on TMPDIR, which may be no UTF-8
  const file = (type: string) => new URL(`./${pack}.${type}`, import.meta.url);
  const script = new Script(Deno.readTextFileSync(file("txt")), {
    filename: `dhow:${pack}`,
    cachedData: Deno.readFileSync(file("cache")),
  });
  // V8 compiles the text when it does not like the cache; scripts/build and tests look for this line
  if (script.cachedDataRejected && Deno.args[0] === "--debug") {
    Deno.stderr.writeSync(new TextEncoder().encode(`dhow: V8 rejects the compiled code of ${pack}\n`));
  }
  Object.assign(loaded, (script.runInThisContext() as Pack)(require));
}

/** What the packs get their imports from. */
function require(name: string): unknown {
  if (name.startsWith("node:")) return process.getBuiltinModule(name);
  if (loaded[name] === undefined) load(name.slice("./".length));
  return loaded[name];
}

load("run");
const { main } = loaded["./main.js"] as { main(argv: readonly string[]): Promise<number> };
Deno.exit(await main(Deno.args));
