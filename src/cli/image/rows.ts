/** The rows of `dhow images` (docker's cli/command/formatter/image.go). */
import { humanDuration, humanSize } from "../human.ts";
import { formatTime, GO_ZERO_TIME } from "../format/time.ts";
import type { Listing, Row } from "../format/listing.ts";

/** Docker shows so many digits of an id. */
const SHORT_ID = 12;

export const IMAGES: Listing = {
  type: "*formatter.imageContext",
  headers: {
    ID: "IMAGE ID",
    Repository: "REPOSITORY",
    Tag: "TAG",
    Digest: "DIGEST",
    CreatedSince: "CREATED",
    CreatedAt: "CREATED AT",
    Size: "SIZE",
    Containers: "CONTAINERS",
    VirtualSize: "SIZE",
    SharedSize: "SHARED SIZE",
    UniqueSize: "UNIQUE SIZE",
  },
};

/** An image of a list, with those of its names that are meant. */
export interface ListedImage {
  readonly id: string;
  /** In milliseconds since 1970; undefined when its config has none. */
  readonly created: number | undefined;
  readonly tags: readonly string[];
  readonly digests: readonly string[];
  /** In bytes. */
  readonly size: number;
}

export interface RowOptions {
  readonly truncate: boolean;
  /** Whether digests make rows of their own, and all of them. */
  readonly digests: boolean;
  /** In milliseconds since 1970. */
  readonly now: number;
}

/** The id without `sha256:`, as short as docker shows it. */
export function shortId(id: string): string {
  return id.replace(/^sha256:/, "").slice(0, SHORT_ID);
}

/** `3 weeks ago`. Images made to be reproducible say 1970, or the year 1. */
export function age(created: number | undefined, now: number): string {
  return created !== undefined && created > 0 ? `${humanDuration(now - created)} ago` : "N/A";
}

/** One row for each name of an image, or for each name and digest. */
export function imageRows(image: ListedImage, format: string, options: RowOptions): Row[] {
  const row = (repository: string, tag: string, digest: string) =>
    imageRow(image, { repository, tag, digest }, options);
  if (image.tags.length + image.digests.length === 0) return [row("<none>", "<none>", "<none>")];
  const wantsDigests = options.digests || format.includes("{{.Digest}}");
  const digestsOf = Map.groupBy(image.digests.map(splitDigest), ({ repository }) => repository);
  const tags = image.tags.map(splitTag);
  const rows = tags.flatMap(({ repository, tag }) => {
    const digests = wantsDigests ? digestsOf.get(repository) ?? [] : [];
    if (digests.length === 0) return [row(repository, tag, "<none>")];
    return digests.map(({ digest }) => row(repository, tag, digest));
  });
  for (const { repository } of tags) digestsOf.delete(repository);
  for (const [repository, digests] of digestsOf) {
    if (options.digests) rows.push(...digests.map(({ digest }) => row(repository, "<none>", digest)));
    else rows.push(row(repository, "<none>", ""));
  }
  return rows;
}

function splitTag(name: string): { repository: string; tag: string } {
  const colon = name.lastIndexOf(":");
  return { repository: name.slice(0, colon), tag: name.slice(colon + 1) };
}

function splitDigest(name: string): { repository: string; digest: string } {
  const at = name.indexOf("@");
  return { repository: name.slice(0, at), digest: name.slice(at + 1) };
}

function imageRow(
  { id, created, size }: ListedImage,
  { repository, tag, digest }: { repository: string; tag: string; digest: string },
  { truncate, now }: RowOptions,
): Row {
  const notKnown = () => "N/A";
  return {
    fields: {
      ID: () => truncate ? shortId(id) : id,
      Repository: () => repository,
      Tag: () => tag,
      Digest: () => digest,
      CreatedSince: () => age(created, now),
      CreatedAt: () => formatTime(created ?? GO_ZERO_TIME),
      Size: () => humanSize(size),
      Containers: notKnown,
      VirtualSize: () => humanSize(size, 4),
      SharedSize: notKnown,
      UniqueSize: notKnown,
    },
  };
}
