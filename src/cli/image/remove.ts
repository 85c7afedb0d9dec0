import { DhowError, UsageError } from "../../errors.ts";
import { decideRemoval, type Removal, type RemovalSubject } from "../../image/removal.ts";
import { ImageCatalog, type Removed } from "../../image/store/catalog.ts";
import type { Command } from "../command.ts";
import { print, printError } from "../output.ts";
import { openSession } from "../session.ts";
import { storeOf } from "../store_of.ts";

export const command: Command = {
  usage: "[OPTIONS] IMAGE [IMAGE...]",
  summary:
    "Take names away from images; an image without names goes, with the layers that no other image has.",
  options: [
    { name: "force", short: "f", help: "remove an image that has several names; ignore what is not there" },
    { name: "no-prune", help: "keep untagged parents (images have none in dhow)" },
  ],
  async run({ args, options, global }) {
    if (args.length === 0) {
      throw new UsageError({
        what: "cannot remove images",
        why: "no IMAGE was given",
        hint: "name at least one IMAGE",
      });
    }
    const store = storeOf(await openSession(global, "remove images"));
    const { lines, errors, failed } = removeImages(
      new ImageCatalog(store),
      args,
      options.flag("force"),
    );
    print(lines.map((line) => `${line}\n`).join(""));
    for (const error of errors) printError(error, global.debug);
    return failed ? 1 : 0;
  },
};

/** Where images are removed. */
export interface RemovableImages {
  find(name: string): unknown;
  remove(name: string, decide: (subject: RemovalSubject) => Removal): Removed;
}

export interface Outcome {
  /** In docker's words: `Untagged: name:tag`, `Deleted: sha256:...`. */
  readonly lines: readonly string[];
  readonly errors: readonly DhowError[];
  /** Names that are not there are no failure when the removal is forced. */
  readonly failed: boolean;
}

/** Removes what is named, one after another; what cannot be removed does not stop the others. */
export function removeImages(images: RemovableImages, names: readonly string[], force: boolean): Outcome {
  const lines: string[] = [];
  const errors: DhowError[] = [];
  let failed = false;
  for (const name of names) {
    try {
      lines.push(...linesOf(images.remove(name, (subject) => decideRemoval(subject, name, force))));
    } catch (error) {
      if (!(error instanceof DhowError)) throw error;
      errors.push(error);
      failed ||= !force || images.find(name) !== undefined;
    }
  }
  return { lines, errors, failed };
}

/** What docker says of a removal. */
export function linesOf({ untagged, image, layers }: Removed): string[] {
  return [
    ...untagged.map((reference) => `Untagged: ${reference}`),
    ...(image === undefined ? [] : [`Deleted: ${image}`]),
    ...layers.map(({ chainId }) => `Deleted: ${chainId}`),
  ];
}
