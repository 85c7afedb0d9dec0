/**
 * Where dist/dhow starts: loads the packs that scripts/lib/pack.ts made, each with V8's compiled code for it
 * (scripts/lib/code_cache.ts), from where scripts/lib/insert.ts has put them. In the sources main.ts stands for this.
 *
 * Parsing and compiling JavaScript is most of what a short command costs. Deno's own code cache would lie in /tmp under a
 * name that everybody knows; this one is a part of the executable.
 */
import process from "node:process";
import { Script } from "node:vm";

type Exports = Record<string, unknown>;
/** What a pack holds: modules' exports, by the names that other packs require them by. */
type Pack = (require: (name: string) => unknown) => Record<string, () => Exports>;

const executable = Deno.openSync("/proc/self/exe");

function read(offset: number, size: number, whence = Deno.SeekMode.Start): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(size);
  executable.seekSync(offset, whence);
  for (let done = 0; done < size;) {
    const count = executable.readSync(bytes.subarray(done));
    if (count === null) throw new Error("dhow's executable is shorter than it was");
    done += count;
  }
  return bytes;
}

/**
 * Where a pack lies: its offset, the size of its compiled code, and that of its text, which comes after it. And its members,
 * if some of them may be there already.
 */
type Place = readonly [number, number, number, readonly string[] | null];

function readPlaces(): Record<string, Place> {
  const word = (bytes: Uint8Array<ArrayBuffer>) => Number(new DataView(bytes.buffer).getBigUint64(0, true));
  // what deno compile has appended ends with its size, which counts that as well; the packs come before it
  const end = executable.seekSync(0, Deno.SeekMode.End) - word(read(-8, 8, Deno.SeekMode.End));
  const size = word(read(end - 8, 8));
  return JSON.parse(new TextDecoder().decode(read(end - 8 - size, size)));
}

const places = readPlaces();
const found: Record<string, () => Exports> = {};
const required: Record<string, Exports> = {};

function load(pack: string): void {
  const [offset, codeSize, textSize] = places[pack]!;
  const bytes = read(offset, codeSize + textSize);
  const script = new Script(new TextDecoder().decode(bytes.subarray(codeSize)), {
    filename: `dhow:${pack}`,
    cachedData: bytes.subarray(0, codeSize),
  });
  // V8 compiles the text when it does not like the code; scripts/build and tests look for this line
  if (script.cachedDataRejected && Deno.args[0] === "--debug") {
    Deno.stderr.writeSync(new TextEncoder().encode(`dhow: V8 rejects the compiled code of ${pack}\n`));
  }
  Object.assign(found, (script.runInThisContext() as Pack)(require));
}

/** The pack that was loaded first after the core. */
let command: string | undefined;

/** What the packs get their imports from. */
function require(name: string): unknown {
  if (name.startsWith("node:")) return process.getBuiltinModule(name);
  if (found[name] === undefined) {
    const pack = name.slice("./".length);
    const larger = command === undefined ? `command.${pack}` : `${command}+${pack}`;
    command ??= larger;
    // a module must not be there twice
    const isWhole = places[larger]?.[3]?.every((member) => found[member] === undefined) ?? true;
    load(places[larger] !== undefined && isWhole ? larger : pack);
  }
  return required[name] ??= found[name]!();
}

load("core");
const { main } = require("./main.js") as { main(argv: readonly string[]): Promise<number> };
Deno.exit(await main(Deno.args));
