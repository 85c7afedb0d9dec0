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

type Resolve = (args: esbuild.OnResolveArgs) => esbuild.OnResolveResult | undefined;

/** Bundles with esbuild; `resolve` says which chunks are left out. */
async function build(options: esbuild.BuildOptions, resolve: Resolve) {
  const chunks: esbuild.Plugin = {
    name: "chunks",
    setup: (build) => build.onResolve({ filter: /^\.\// }, resolve),
  };
  return await esbuild.build({
    ...options,
    write: false,
    bundle: true,
    metafile: true,
    platform: "neutral",
    external: ["node:*"],
    plugins: [chunks],
  });
}

/** The chunks that are loaded with others: these, their static imports, theirs. */
async function closure(entries: readonly string[]): Promise<string[]> {
  const options: esbuild.BuildOptions = {
    entryPoints: entries.map((entry) => `${bundle}/${entry}`),
    outdir: out,
    format: "esm",
  };
  const { metafile } = await build(
    options,
    ({ path, kind }) => kind === "dynamic-import" ? { path, external: true } : undefined,
  );
  return Object.keys(metafile!.inputs).map((path) => `./${path.slice(path.lastIndexOf("/") + 1)}`);
}

/** What a chunk imports from others by name, as esbuild writes it: `import { a, b as c } from "./x.js";`. */
function* importedNames(chunk: string): Generator<{ from: string; name: string }> {
  const text = Deno.readTextFileSync(`${bundle}/${chunk}`);
  for (const [, list, from] of text.matchAll(/^import \{([^}]*)\} from "(\.\/[^"]*)";$/gm)) {
    for (const item of list!.split(",")) yield { from: from!, name: item.trim().split(" as ")[0]! };
  }
}

/** What a chunk exports, as esbuild writes it: `export { a, b as c };`. */
function exportedNames(chunk: string): string[] {
  const text = Deno.readTextFileSync(`${bundle}/${chunk}`);
  const list = /^export \{([^}]*)\};$/m.exec(text)?.[1] ?? "";
  return list.split(",").map((item) => item.trim().split(" as ").at(-1)!);
}

/**
 * Writes one pack.
 * @param modules its chunks, in one scope, with the names that other packs need
 */
async function pack(name: string, modules: ReadonlyMap<string, ReadonlySet<string>>): Promise<void> {
  const imports: string[] = [];
  const members: string[] = [];
  [...modules].forEach(([module, names], index) => {
    const list = [...names];
    imports.push(
      `import { ${list.map((name) => `${name} as ${name}_${index}`).join(", ")} } from "${module}";`,
    );
    members.push(
      `"${module}": { ${list.map((name) => `get ${name}() { return ${name}_${index}; }`).join(", ")} },`,
    );
  });
  const entry = `${imports.join("\n")}\nreturnValue({ __proto__: null, ${members.join("\n")} });`;
  const { outputFiles } = await build(
    {
      stdin: { contents: entry, resolveDir: bundle },
      // a function around it would be one of esbuild's, whose result cannot be had
      format: "cjs",
      // becomes a require() inside a promise
      supported: { "dynamic-import": false },
    },
    ({ path, kind }) => modules.has(path) && kind !== "dynamic-import" ? undefined : { path, external: true },
  );
  const script = outputFiles![0]!.text;
  const text =
    `(function (require) {\nlet result;\nconst returnValue = (value) => { result = value; };\n${script}\nreturn result;\n})`;
  await Deno.writeTextFile(`${out}/${name}.txt`, text);
}

const chunks = [...Deno.readDirSync(bundle)].map(({ name }) => name).sort();
const run = chunks.find((name) => /^run-\w+\.js$/.test(name));
if (run === undefined) throw new Error("the bundle has no chunk for the command run");
const hot = new Map((await closure(["main.js", run])).map((chunk) => [chunk, new Set<string>()]));
const cold = chunks.filter((name) => !hot.has(`./${name}`));
for (const name of ["main.js", run]) exportedNames(name).forEach((name_) => hot.get(`./${name}`)!.add(name_));
for (const chunk of cold) {
  for (const { from, name } of importedNames(chunk)) hot.get(from)?.add(name);
}
await pack("run", hot);
for (const name of cold) await pack(name, new Map([[`./${name}`, new Set(exportedNames(name))]]));
await esbuild.stop();
