import { resolve } from "@std/path";
import { newId } from "../container/names.ts";
import { onlyImage, readEtc, requireSource } from "../container/image.ts";
import { type ImageEtc, prepare, type RunnableImage } from "../container/prepare.ts";
import { UsageError } from "../errors.ts";
import { archivedFiles } from "../image/files/archived.ts";
import { assertRunnableHere } from "../image/config.ts";
import { isSourcePath } from "../image/source/location.ts";
import { openSource } from "../image/source/open.ts";
import { imagineEndpoint } from "../network/endpoints.ts";
import { type Archive, explain } from "../plan/explain.ts";
import { commandLine } from "../plan/shell.ts";
import { pathsUnder } from "../state/paths.ts";
import { type Command, type GlobalOptions, helpText, parse, withHelp } from "./command.ts";
import { print } from "./output.ts";
import { readRunOptions, RUN_OPTIONS } from "./run_options.ts";
import { openSession } from "./session.ts";

export const command: Command = {
  usage: "run [OPTIONS] IMAGE [COMMAND [ARG...]]",
  summary:
    "Print what run would do, as a shell script that does it. It changes nothing; an archive needs no root.",
  options: [],
  stopsAtFirst: true,
  async run({ args, global }) {
    const [verb, ...rest] = args;
    if (verb !== "run") {
      const why = verb === undefined ? "no command was given" : `"${verb}" cannot be explained`;
      throw new UsageError({ what: "cannot explain", why, hint: "write: dhow explain run IMAGE" });
    }
    const parsed = parse("dhow explain run", withHelp(RUN_OPTIONS), rest, true);
    if (parsed.options.flag("help")) {
      print(helpText("explain", { ...command, options: RUN_OPTIONS }));
      return 0;
    }
    const options = readRunOptions({ ...parsed, global });
    const id = newId();
    const workFolder = `/tmp/dhow-${id.slice(0, 12)}`;
    const { image, archive } = await inspect(options.image, global, `${workFolder}/layers`);
    const endpoint = options.network === "bridge" ? imagineEndpoint(id, options.address) : undefined;
    const plan = prepare({ id, options, image, endpoint, paths: pathsUnder(workFolder) });
    print(explain({ title: commandLine("dhow", ...args), workFolder, archive, plan }));
    return 0;
  },
};

interface Inspected {
  readonly image: RunnableImage;
  readonly archive: Archive | undefined;
}

/** Reads an image without putting anything into the store. */
async function inspect(name: string, global: GlobalOptions, layersFolder: string): Promise<Inspected> {
  if (!isSourcePath(name)) {
    const stored = Deno.uid() === 0 ? await inspectStored(name, global) : undefined;
    if (stored !== undefined) return stored;
    requireSource(name);
  }
  using source = await openSource(name, { spoolFolder: Deno.env.get("TMPDIR") || "/tmp" });
  if (source.origin === undefined) {
    throw new UsageError({
      what: `cannot explain ${JSON.stringify(name)}`,
      why: "it comes through a pipe, and a script could not read it once more",
      hint: "save it to a file first",
    });
  }
  const image = onlyImage(source, name);
  assertRunnableHere(image.config, name);
  const layers = image.layers.map(({ name }, index) => ({ name, folder: `${layersFolder}/${index}` }));
  const folders = layers.map(({ folder }) => folder).toReversed();
  const etc = await readEtc(archivedFiles(image.layers.map((blob) => ({ blob }))));
  const { kind, path } = source.origin;
  return {
    image: { config: image.config, lower: { kind: "folders", layers: folders }, etc },
    archive: { path: resolve(path), isFolder: kind === "folder", layers },
  };
}

async function inspectStored(name: string, global: GlobalOptions): Promise<Inspected | undefined> {
  const { store } = await openSession(global, "explain");
  const stored = store.find(name);
  if (stored === undefined) return undefined;
  assertRunnableHere(stored.config, name);
  const lower = await store.lower(stored, "unpacked");
  const etc = await store.facts(stored) as ImageEtc;
  return { image: { config: stored.config, lower, etc }, archive: undefined };
}
