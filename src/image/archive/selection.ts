import { ImageError } from "../../errors.ts";
import { formatImageName, parseReference, readImageName, saysNoTag } from "../reference.ts";

/** An image as `save` needs it. */
export interface NamedImage {
  /** `sha256:...` of its config. */
  readonly id: string;
  /** `name:tag`, familiar. */
  readonly tags: readonly string[];
}

/** Where images are found. */
export interface ImageIndex<Image extends NamedImage> {
  /** By a name, an id or the start of one. */
  find(name: string): Image | undefined;
  list(): readonly Image[];
}

/** An image, and the names that it is to have in an archive. */
export interface Selection<Image extends NamedImage> {
  readonly image: Image;
  /** Familiar, in the order in which they were named; empty for an image that was named by its id. */
  readonly tags: readonly string[];
}

/**
 * The images that a user names, in that order and each once, by docker's rules: a repository without a tag means all of its
 * tags.
 * @throws {ImageError} when there is none of a name
 */
export function selectImages<Image extends NamedImage>(
  names: readonly string[],
  index: ImageIndex<Image>,
): Selection<Image>[] {
  const chosen = new Map<string, { readonly image: Image; readonly tags: Set<string> }>();
  for (const name of names) {
    for (const { image, tags } of imagesOf(name, index)) {
      const entry = chosen.get(image.id) ?? { image, tags: new Set() };
      chosen.set(image.id, entry);
      for (const tag of tags) entry.tags.add(tag);
    }
  }
  return Array.from(chosen.values(), ({ image, tags }) => ({ image, tags: [...tags] }));
}

function imagesOf<Image extends NamedImage>(name: string, index: ImageIndex<Image>): Selection<Image>[] {
  const parsed = readImageName(name);
  if (parsed !== undefined && saysNoTag(name)) {
    const all = taggedImages(parsed.repository, index);
    if (all.length > 0) return all;
  }
  const image = index.find(name);
  if (image === undefined) {
    throw new ImageError({
      what: `cannot save ${JSON.stringify(name)}`,
      why: "there is no image of that name or id",
      hint: "list images with: dhow images",
    });
  }
  // an id and a digest are no names that an archive could give
  const tag = parsed === undefined ? undefined : formatImageName(parsed);
  return [{ image, tags: tag !== undefined && image.tags.includes(tag) ? [tag] : [] }];
}

/** The images of a repository, sorted by their tags. */
function taggedImages<Image extends NamedImage>(
  repository: string,
  index: ImageIndex<Image>,
): Selection<Image>[] {
  const found = index.list().flatMap((image) =>
    image.tags.filter((tag) => parseReference(tag).repository === repository).map((tag) => ({ image, tag }))
  );
  found.sort((a, b) => a.tag < b.tag ? -1 : 1);
  return found.map(({ image, tag }) => ({ image, tags: [tag] }));
}
