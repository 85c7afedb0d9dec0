/** What archives and layouts call their images. */
import { formatImageName, readImageName } from "../reference.ts";

/** Names that annotations give an image (containerd, docker; OCI image-spec, annotations.md). */
const CONTAINERD_NAME = "io.containerd.image.name";
const REFERENCE_NAME = "org.opencontainers.image.ref.name";

/** What an OCI layout calls an image, for one to choose it by; undefined when it has no name. */
export function layoutName(annotations: ReadonlyMap<string, string>): string | undefined {
  return annotations.get(CONTAINERD_NAME) ?? annotations.get(REFERENCE_NAME);
}

/**
 * The tag that an image of an OCI layout gets in the store. The annotation of OCI may be any text, for many a mere version
 * (`1.0`): what is no whole name names nothing here.
 */
export function tagOf(annotations: ReadonlyMap<string, string>): string | undefined {
  const name = layoutName(annotations);
  if (name === undefined || (!annotations.has(CONTAINERD_NAME) && !/[:/]/.test(name))) return undefined;
  const parsed = readImageName(name);
  return parsed === undefined || parsed.digest !== undefined ? undefined : formatImageName(parsed);
}

/** Whether an image with these annotations is the one that the user calls so, by its whole name or by its layout's. */
export function isCalled(annotations: ReadonlyMap<string, string>, reference: string): boolean {
  return annotations.get(REFERENCE_NAME) === reference || layoutName(annotations) === reference ||
    isTag(tagOf(annotations), reference);
}

/** Whether a tag of the store, `name:tag`, is what the user calls so. */
export function isTag(tag: string | undefined, reference: string): boolean {
  const name = tag === undefined ? undefined : readImageName(reference);
  return name !== undefined && formatImageName(name) === tag;
}
