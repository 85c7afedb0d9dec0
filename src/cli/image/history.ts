import { UsageError } from "../../errors.ts";
import { Document } from "../../image/document.ts";
import { ImageCatalog } from "../../image/store/catalog.ts";
import type { Command } from "../command.ts";
import { formatRows, type Listing, type Row } from "../format/listing.ts";
import { formatRfc3339, GO_ZERO_TIME } from "../format/time.ts";
import { humanSize } from "../human.ts";
import { print } from "../output.ts";
import { openSession } from "../session.ts";
import { storeOf } from "../store_of.ts";
import { creationTime } from "./filters.ts";
import { age, shortId } from "./rows.ts";

/** Docker shows so many characters of a command. */
const SHORT_COMMAND = 45;

const HISTORY: Listing = {
  type: "*image.historyContext",
  headers: {
    ID: "IMAGE",
    CreatedSince: "CREATED",
    CreatedAt: "CREATED AT",
    CreatedBy: "CREATED BY",
    Size: "SIZE",
    Comment: "COMMENT",
  },
};

export const command: Command = {
  usage: "[OPTIONS] IMAGE",
  summary: "Print the steps that an image was made in, the last first.",
  options: [
    { name: "format", value: "TEMPLATE", help: "print by a Go template; table TEMPLATE, json" },
    {
      name: "human",
      short: "H",
      isOnByDefault: true,
      help: "sizes and times for people; --human=false for programs",
    },
    { name: "no-trunc", help: "print ids and commands in full" },
    { name: "quiet", short: "q", help: "print ids only" },
  ],
  async run({ args: [name, extra], options, global }) {
    if (name === undefined || extra !== undefined) {
      throw new UsageError({ what: "cannot print the history", why: "history takes one argument: IMAGE" });
    }
    const store = storeOf(await openSession(global, "read images"));
    const catalog = new ImageCatalog(store);
    const { id, configText } = catalog.get(name);
    const human = options.flag("human");
    const rows = historyRows({ id, configText, sizes: catalog.layerSizes(id) }, {
      human,
      truncate: !options.flag("no-trunc"),
      now: Date.now(),
    });
    print(
      formatRows(HISTORY, rows, chooseFormat(options.text("format") ?? "", options.flag("quiet"), human)),
    );
    return 0;
  },
};

function chooseFormat(format: string, quiet: boolean, human: boolean): string {
  if (format !== "" && format !== "table") return format;
  if (quiet) return "{{.ID}}";
  return `table {{.ID}}\t{{.Created${human ? "Since" : "At"}}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}`;
}

/** What the rows are made from. */
export interface ImageHistory {
  readonly id: string;
  readonly configText: string;
  /** Bytes of each layer, lowest first. */
  readonly sizes: readonly number[];
}

export interface HistoryOptions {
  /** Sizes as `1.98MB`, times as `3 weeks ago`. */
  readonly human: boolean;
  readonly truncate: boolean;
  /** In milliseconds since 1970. */
  readonly now: number;
}

/** A row for each step, the last first. A step that made a layer has that layer's size. */
export function historyRows({ id, configText, sizes }: ImageHistory, options: HistoryOptions): Row[] {
  let layer = 0;
  const steps = Document.parse(configText).list("history").map((step) => ({
    step,
    // a history that speaks of more layers than there are is wrong; docker refuses to print it
    size: step.flag("empty_layer") ? 0 : sizes[layer++] ?? 0,
  }));
  return steps.map(({ step, size }, index) => {
    // only the last step's image has an id: nobody keeps the images in between
    const imageId = index === steps.length - 1 ? id : "<missing>";
    return historyRow(step, size, imageId, options);
  }).toReversed();
}

function historyRow(
  step: Document,
  size: number,
  id: string,
  { human, truncate, now }: HistoryOptions,
): Row {
  const created = creationTime({ config: { created: step.text("created") } });
  const createdBy = step.text("created_by").replaceAll("\t", " ");
  const createdAt = () => formatRfc3339(created ?? GO_ZERO_TIME);
  return {
    fields: {
      ID: () => truncate && id !== "<missing>" ? shortId(id) : id,
      CreatedSince: () => human ? age(created, now) : createdAt(),
      CreatedAt: createdAt,
      CreatedBy: () => truncate ? shorten(createdBy, SHORT_COMMAND) : createdBy,
      Size: () => human ? humanSize(size) : String(size),
      Comment: () => step.text("comment"),
    },
  };
}

function shorten(text: string, length: number): string {
  const characters = [...text];
  return characters.length <= length ? text : `${characters.slice(0, length - 1).join("")}…`;
}
