import { assert, assertEquals } from "@std/assert";
import { REPOSITORY } from "../../support/host.ts";
import { succeed } from "../../support/process.ts";
import { DENO_ENVIRONMENT } from "../../support/registry.ts";

interface Module {
  readonly specifier: string;
  /** `isDynamic`: loaded when it is first used */
  readonly dependencies?: readonly {
    readonly isDynamic?: boolean;
    readonly code?: { readonly specifier: string };
  }[];
}

/** The modules of dhow that are loaded with some, by their paths. */
async function loadedWith(...entries: readonly string[]): Promise<Set<string>> {
  const loaded = new Set<string>();
  for (const entry of entries) {
    const text = await succeed([Deno.execPath(), "info", "--json", `${REPOSITORY}/${entry}`], {
      env: DENO_ENVIRONMENT,
    });
    const modules = new Map(
      (JSON.parse(text).modules as Module[]).map((module) => [module.specifier, module]),
    );
    const root = `file://${REPOSITORY}/`;
    const load = (specifier: string) => {
      const path = specifier.slice(root.length);
      if (!specifier.startsWith(root) || loaded.has(path)) return;
      loaded.add(path);
      for (const { isDynamic, code } of modules.get(specifier)?.dependencies ?? []) {
        if (isDynamic !== true && code !== undefined) load(code.specifier);
      }
    };
    load(`${root}${entry}`);
  }
  return loaded;
}

Deno.test("run loads nothing of registries, layers and progress before it needs them", async () => {
  const loaded = [...await loadedWith("src/cli/main.ts", "src/cli/run.ts")];
  assert(loaded.includes("src/cli/run_options.ts"));
  const late =
    /^src\/(image\/(registry|archive|layer|erofs|walk|compression)|cli\/(image|template|format|progress))/;
  assertEquals(loaded.filter((path) => late.test(path)), []);
});
