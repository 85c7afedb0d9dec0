import { UsageError } from "../errors.ts";
import type { StoredImage } from "../image/store/store.ts";
import type { Command } from "./command.ts";
import { humanDuration, humanSize } from "./human.ts";
import { print } from "./output.ts";
import { openSession } from "./session.ts";
import { formatTable } from "./table.ts";

/** Docker shows so many digits of an id. */
const SHORT_ID = 12;

export const command: Command = {
  usage: "[OPTIONS] [REPOSITORY[:TAG]]",
  summary: "List images, the newest first.",
  options: [
    { name: "all", short: "a", help: "list all images; there are no hidden ones" },
    { name: "quiet", short: "q", help: "print ids only" },
  ],
  async run({ args, options, global }) {
    if (args.length > 1) {
      throw new UsageError({ what: "cannot list images", why: "images takes one argument at most" });
    }
    const { store } = await openSession(global, "list images");
    const rows = store.list().sort(newestFirst).flatMap(namesOf).filter(isMeant(args[0]));
    if (options.flag("quiet")) {
      print(rows.map(({ image }) => `${shortId(image)}\n`).join(""));
    } else {
      const header = ["REPOSITORY", "TAG", "IMAGE ID", "CREATED", "SIZE"];
      print(formatTable([header, ...rows.map(describe)]));
    }
    return 0;
  },
};

/** An image, under one of its names. */
interface Row {
  readonly image: StoredImage;
  readonly repository: string;
  readonly tag: string;
}

function creationTime({ config }: StoredImage): number {
  return Date.parse(config.created ?? "");
}

function newestFirst(a: StoredImage, b: StoredImage): number {
  return (creationTime(b) || 0) - (creationTime(a) || 0);
}

function namesOf(image: StoredImage): Row[] {
  if (image.tags.length === 0) return [{ image, repository: "<none>", tag: "<none>" }];
  return image.tags.map((name) => {
    const colon = name.lastIndexOf(":");
    return { image, repository: name.slice(0, colon), tag: name.slice(colon + 1) };
  });
}

function isMeant(wanted: string | undefined): (row: Row) => boolean {
  return ({ repository, tag }) =>
    wanted === undefined || wanted === repository || wanted === `${repository}:${tag}`;
}

function shortId({ id }: StoredImage): string {
  return id.replace("sha256:", "").slice(0, SHORT_ID);
}

function describe({ image, repository, tag }: Row): string[] {
  const created = creationTime(image);
  // images made to be reproducible say 1970, or the year 1
  const age = created > 0 ? `${humanDuration(Date.now() - created)} ago` : "N/A";
  return [repository, tag, shortId(image), age, humanSize(image.size)];
}
