import { allVolumes } from "../../container/volumes.ts";
import { UsageError } from "../../errors.ts";
import type { Command } from "../command.ts";
import { formatOf, formatRows } from "../format/listing.ts";
import { parseFilters } from "../image/filters.ts";
import { print } from "../output.ts";
import { openSession } from "../session.ts";
import { filterVolumes, VOLUME_FILTERS, volumeRow, VOLUMES } from "./rows.ts";

const DEFAULT_FORMAT = "table {{.Driver}}\\t{{.Name}}";

export const command: Command = {
  usage: "[OPTIONS]",
  summary: "List volumes.",
  options: [
    {
      name: "filter",
      short: "f",
      value: "NAME=VALUE",
      repeats: true,
      help: `those that fit: ${VOLUME_FILTERS.join(", ")}`,
    },
    { name: "format", value: "TEMPLATE", help: "print by a Go template; table TEMPLATE, json" },
    { name: "quiet", short: "q", help: "print names only" },
  ],
  async run({ args, options, global }) {
    if (args.length > 0) {
      throw new UsageError({ what: "cannot list volumes", why: "ls takes no arguments" });
    }
    const filters = parseFilters(options.list("filter"), VOLUME_FILTERS);
    const { database, paths } = await openSession(global, "list volumes");
    const rows = filterVolumes(allVolumes(database), filters).map((volume) => volumeRow(volume, paths));
    const format = formatOf(options, DEFAULT_FORMAT, "{{.Name}}");
    print(formatRows(VOLUMES, rows, format));
    return 0;
  },
};
