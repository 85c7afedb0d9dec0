/**
 * Turns the bundle of `deno bundle --code-splitting` into packs, which scripts/lib/launcher.ts loads: classic scripts,
 * because V8 takes compiled code for nothing else.
 *
 *     deno run -A scripts/lib/pack.ts BUNDLE OUT
 *
 * All that `dhow run` loads is one pack, `run`, and shares one scope. Every other chunk is a pack of its own, loaded when
 * it is first required, once: modules of different packs see the same classes and variables.
 */
import * as esbuild from "esbuild";

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

/** Writes one pack: a script whose value is a function of `require`, which gives its members' exports. */
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
    exports.push(`"${member}": { ${getters.join(", ")} }`);
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

const chunks = await readChunks();
const run = [...chunks.keys()].find((name) => /^\.\/run-\w+\.js$/.test(name));
if (run === undefined) throw new Error("the bundle has no chunk for the command run");
const hot = closure(chunks, ["./main.js", run]);
await pack("run", [...hot], chunks);
for (const name of chunks.keys()) {
  if (!hot.has(name)) await pack(name.slice("./".length), [name], chunks);
}
await esbuild.stop();
