/**
 * Turns the bundle of `deno bundle --code-splitting` into packs, which scripts/lib/launcher.ts loads: classic scripts,
 * because V8 takes compiled code for nothing else.
 *
 *     deno run -A scripts/lib/pack.ts BUNDLE OUT
 *
 * - `core` is what every command loads: all that main.ts and session.ts import. It shares one scope.
 * - `command.NAME` is all that a command of OFTEN loads besides, NAME being its chunk's. A process loads one of them at
 *   most, before anything else, so that what is in several of them is there once. `command.NAME+OTHER` is what
 *   such a command needs for modules that it often loads later, OTHER being the first. The launcher takes it only if
 *   none of its members is there already: they are listed in `later.json`.
 * - Every chunk that is not in `core` is a pack of its own as well, for the other commands, and for what is imported later.
 *
 * So each chunk is loaded once: modules of different packs see the same classes and variables.
 */
import * as esbuild from "esbuild";
import { BUILT_SETUPS, packProgram } from "../../src/plan/names/built.ts";
import { nameServerProgram } from "../../src/plan/names/server.ts";

/**
 * Commands that scripts run again and again, and groups of modules that each often loads later, each by its first. All
 * commands in this way would make the executable a fifth larger. What reads tars belongs together also because its loops
 * are slower across packs: names of other packs are looked up each time.
 */
const OFTEN: Readonly<Record<string, readonly (readonly string[])[]>> = {
  "cli/run": [
    ["container/start"],
    ["image/source/open", "image/store/in_place"],
    ["network/attach", "container/naming", "plan/names/start"],
  ],
  "cli/container/create": [],
  "cli/container/ended": [],
  "cli/container/exec": [],
  "cli/container/inspect": [],
  "cli/container/list": [],
  "cli/container/logs": [],
  "cli/container/remove": [],
  "cli/container/start": [],
  "cli/container/stop": [],
  "cli/container/wait": [],
};

const nameServers = BUILT_SETUPS.map((setup) => packProgram(nameServerProgram(setup)));

const [bundle, out] = Deno.args as [string, string];

interface Chunk {
  /** What other chunks, or the launcher, may want of it. */
  readonly exports: readonly string[];
  /** The chunks that are loaded with it. */
  readonly imports: readonly string[];
}

async function build(options: esbuild.BuildOptions): Promise<esbuild.BuildResult> {
  const result = await esbuild.build({
    ...options,
    write: false,
    bundle: true,
    platform: "neutral",
    define: { BUILT_NAME_SERVERS: JSON.stringify(nameServers) },
    logLevel: "silent",
  });
  if (result.warnings.length > 0) throw new Error(JSON.stringify(result.warnings, undefined, 2));
  return result;
}

/** The bundle's chunks by their names, as other chunks import them: `./main.js`. */
async function readChunks(): Promise<Map<string, Chunk>> {
  const names = [...Deno.readDirSync(bundle)].map(({ name }) => name).sort();
  const { metafile } = await build({
    entryPoints: names.map((name) => `${bundle}/${name}`),
    outdir: out,
    format: "esm",
    external: ["node:*", "./*"],
    metafile: true,
  });
  return new Map(
    Object.entries(metafile!.outputs).map(([path, { exports, imports }]) => [
      `./${path.slice(path.lastIndexOf("/") + 1)}`,
      {
        exports,
        imports: imports.filter(({ path, kind }) => path.startsWith("./") && kind === "import-statement")
          .map(({ path }) => path),
      },
    ]),
  );
}

/** Some chunks, their imports, theirs, and so on. */
function closure(chunks: ReadonlyMap<string, Chunk>, names: readonly string[], found = new Set<string>()) {
  for (const name of names.filter((name) => !found.has(name))) {
    found.add(name);
    closure(chunks, chunks.get(name)!.imports, found);
  }
  return found;
}

/**
 * Writes one pack: a script whose value is a function of `require`, which gives its members' exports, each as a function: few
 * are ever asked for.
 */
async function pack(
  name: string,
  members: readonly string[],
  chunks: ReadonlyMap<string, Chunk>,
): Promise<void> {
  const imports: string[] = [];
  const exports: string[] = [];
  members.forEach((member, index) => {
    const names = chunks.get(member)!.exports;
    if (names.length > 0) {
      imports.push(
        `import { ${names.map((name) => `${name} as ${name}_${index}`).join(", ")} } from "${member}";`,
      );
    }
    const getters = names.map((name) => `get ${name}() { return ${name}_${index}; }`);
    exports.push(`"${member}": () => ({ ${getters.join(", ")} })`);
  });
  const chunkImports: esbuild.Plugin = {
    name: "chunks",
    setup: (build) =>
      build.onResolve(
        { filter: /^\.\// },
        ({ path, kind }) =>
          members.includes(path) && kind !== "dynamic-import" ? undefined : { path, external: true },
      ),
  };
  const { outputFiles } = await build({
    stdin: { contents: `${imports.join("\n")}\nresult = { ${exports.join(", ")} };`, resolveDir: bundle },
    format: "cjs",
    // becomes a require() inside a promise
    supported: { "dynamic-import": false },
    external: ["node:*"],
    plugins: [chunkImports],
  });
  const script = outputFiles![0]!.text;
  await Deno.writeTextFile(
    `${out}/${name}.txt`,
    `(function (require) {\nlet result;\n${script}\nreturn result;\n})`,
  );
}

/** The chunk that a module of the sources is in. */
function chunkOf(module: string): string {
  const [name, ...others] = [...chunks.keys()].filter((chunk) =>
    Deno.readTextFileSync(`${bundle}/${chunk}`).includes(`\n// ${module}\n`)
  );
  if (name === undefined || others.length > 0) throw new Error(`no chunk of the bundle has ${module}`);
  return name;
}

const chunks = await readChunks();
const core = closure(chunks, ["./main.js", chunkOf("src/cli/session.ts")]);
await pack("core", [...core], chunks);
for (const name of chunks.keys()) {
  if (!core.has(name)) await pack(name.slice("./".length), [name], chunks);
}
const later: Record<string, readonly string[]> = {};
for (const [command, groups] of Object.entries(OFTEN)) {
  const chunk = chunkOf(`src/${command}.ts`);
  const name = `command.${chunk.slice("./".length)}`;
  const members = closure(chunks, [chunk]).difference(core);
  await pack(name, [...members], chunks);
  for (const group of groups.map((modules) => modules.map((module) => chunkOf(`src/${module}.ts`)))) {
    const more = [...closure(chunks, group).difference(core).difference(members)];
    const larger = `${name}+${group[0]!.slice("./".length)}`;
    await pack(larger, more, chunks);
    later[larger] = more;
  }
}
await Deno.writeTextFile(`${out}/later.json`, JSON.stringify(later));
await esbuild.stop();
