import { UsageError } from "../../errors.ts";
import type { StoredImage } from "../../image/store/store.ts";
import { ImageCatalog } from "../../image/store/catalog.ts";
import type { Command } from "../command.ts";
import { formatRows, isTable } from "../format/listing.ts";
import { print } from "../output.ts";
import { openSession } from "../session.ts";
import { storeOf } from "../store_of.ts";
import {
  creationTime,
  type Filters,
  flagFilter,
  hasLabels,
  meantReferences,
  parseFilters,
} from "./filters.ts";
import { imageRows, IMAGES, type ListedImage } from "./rows.ts";

const FILTERS = ["before", "dangling", "label", "reference", "since"];

export const command: Command = {
  usage: "[OPTIONS] [REPOSITORY[:TAG]]",
  summary: "List images, the newest first.",
  options: [
    { name: "all", short: "a", help: "list all images; there are no hidden ones" },
    { name: "digests", help: "show digests" },
    {
      name: "filter",
      short: "f",
      value: "NAME=VALUE",
      repeats: true,
      help: `list those that fit: ${FILTERS.join(", ")}`,
    },
    { name: "format", value: "TEMPLATE", help: "print by a Go template; table TEMPLATE, json" },
    { name: "no-trunc", help: "print ids in full" },
    { name: "quiet", short: "q", help: "print ids only" },
  ],
  async run({ args, options, global }) {
    const [pattern, extra] = args;
    if (extra !== undefined) {
      throw new UsageError({ what: "cannot list images", why: "images takes one argument at most" });
    }
    const filters = parseFilters([
      ...options.list("filter"),
      ...(pattern === undefined || pattern === "" ? [] : [`reference=${pattern}`]),
    ], FILTERS);
    const digests = options.flag("digests");
    const format = chooseFormat(options.text("format") ?? "", options.flag("quiet"), digests);
    const store = storeOf(await openSession(global, "list images"));
    const images = listImages(new ImageCatalog(store), filters);
    const how = { truncate: !options.flag("no-trunc"), digests, now: Date.now() };
    print(formatRows(IMAGES, images.flatMap((image) => imageRows(image, format, how)), format));
    return 0;
  },
};

/** What the list is made from. */
export interface ImageList {
  list(): Pick<StoredImage, keyof ListedImage & keyof StoredImage | "config" | "configText">[];
  get(name: string): { readonly config: { readonly created?: string } };
}

/** @throws {UsageError | ImageError} when a filter has an impossible value, or names an image that is not there */
export function listImages(store: ImageList, filters: Filters): ListedImage[] {
  const dangling = flagFilter(filters, "dangling");
  const timeOf = (name: string) => creationTime(store.get(name)) ?? 0;
  const before = Math.min(...(filters.get("before") ?? []).map(timeOf));
  const since = Math.max(...(filters.get("since") ?? []).map(timeOf));
  const patterns = filters.get("reference");
  return store.list()
    .map((image) => ({ ...image, created: creationTime(image) }))
    .filter(({ created = 0 }) => created < before && created > since)
    .filter((image) => hasLabels(image, filters.get("label") ?? []))
    .map((image) => ({
      ...image,
      tags: meantReferences(image.tags, patterns),
      digests: meantReferences(image.digests, patterns),
    }))
    .filter(({ tags, digests }) => {
      if (tags.length + digests.length === 0) return patterns === undefined && dangling !== false;
      return dangling !== true || tags.length === 0;
    })
    .sort((a, b) => (b.created ?? 0) - (a.created ?? 0));
}

const CREATED = "{{if .CreatedSince }}{{.CreatedSince}}{{else}}N/A{{end}}";

/** `--format`, `-q` and `--digests` as one format. */
export function chooseFormat(format: string, quiet: boolean, digests: boolean): string {
  if (format === "" || format === "table") {
    const digest = digests ? "{{.Digest}}\t" : "";
    return quiet ? "{{.ID}}" : `table {{.Repository}}\t{{.Tag}}\t${digest}{{.ID}}\t${CREATED}\t{{.Size}}`;
  }
  if (format === "raw") return rawFormat(quiet, digests);
  const isMissing = isTable(format) && digests && !format.includes("{{.Digest}}");
  return isMissing ? `${format}\t{{.Digest}}` : format;
}

function rawFormat(quiet: boolean, digests: boolean): string {
  if (quiet) return "image_id: {{.ID}}";
  return [
    "repository: {{ .Repository }}",
    "tag: {{.Tag}}",
    ...(digests ? ["digest: {{.Digest}}"] : []),
    "image_id: {{.ID}}",
    "created_at: {{.CreatedAt}}",
    "virtual_size: {{.Size}}",
    "",
  ].join("\n");
}
