import { ImageError } from "../errors.ts";

/** A name in the store: repository and tag. */
export interface Reference {
  /** `busybox`, `example.com:5000/team/app`. */
  readonly repository: string;
  readonly tag: string;
}

// The grammar of github.com/distribution/reference (regexp.go).
const DOMAIN_PART = "(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])";
const DOMAIN = `(?:${DOMAIN_PART}(?:\\.${DOMAIN_PART})*|\\[[a-fA-F0-9:]+\\])(?::[0-9]+)?`;
const PATH_PART = "[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*";
const REFERENCE = new RegExp(
  `^((?:${DOMAIN}/)?${PATH_PART}(?:/${PATH_PART})*)(?::([A-Za-z0-9_][A-Za-z0-9_.-]{0,127}))?$`,
);

/** distribution/reference: NameTotalLengthMax. */
const MAX_REPOSITORY_LENGTH = 255;

/**
 * Reads `name` or `name:tag` by docker's rules; without a tag it is `latest`.
 * @throws {ImageError} when it is not a valid reference
 */
export function parseReference(text: string): Reference {
  // bounded before the pattern sees it
  const match = text.length > 1024 ? null : REFERENCE.exec(text);
  const [, repository, tag = "latest"] = match ?? [];
  if (repository === undefined || repository.length > MAX_REPOSITORY_LENGTH) {
    const hint = text.toLowerCase() !== text && REFERENCE.test(text.toLowerCase())
      ? { hint: "the name must be lowercase" }
      : {};
    throw new ImageError({
      what: `cannot use ${JSON.stringify(text.slice(0, 300))} as an image's name`,
      why: "it is not a valid reference (name[:tag])",
      ...hint,
    });
  }
  return { repository, tag };
}

/** `name:tag`, as the store's tags have it. */
export function formatReference({ repository, tag }: Reference): string {
  return `${repository}:${tag}`;
}
