import { UsageError } from "../../errors.ts";
import { networkRows } from "../../network/records.ts";
import type { Command } from "../command.ts";
import { formatOf, formatRows } from "../format/listing.ts";
import { parseFilters } from "../image/filters.ts";
import { print } from "../output.ts";
import { openSession } from "../session.ts";
import { filterNetworks, NETWORK_FILTERS, networkListRow, NETWORKS } from "./rows.ts";

const DEFAULT_FORMAT = "table {{.ID}}\\t{{.Name}}\\t{{.Driver}}\\t{{.Scope}}";

export const command: Command = {
  usage: "[OPTIONS]",
  summary: "List networks.",
  options: [
    {
      name: "filter",
      short: "f",
      value: "NAME=VALUE",
      repeats: true,
      help: `those that fit: ${NETWORK_FILTERS.join(", ")}`,
    },
    { name: "format", value: "TEMPLATE", help: "print by a Go template; table TEMPLATE, json" },
    { name: "no-trunc", help: "do not shorten ids" },
    { name: "quiet", short: "q", help: "print ids only" },
  ],
  async run({ args, options, global }) {
    if (args.length > 0) {
      throw new UsageError({ what: "cannot list networks", why: "ls takes no arguments" });
    }
    const filters = parseFilters(options.list("filter"), NETWORK_FILTERS);
    const { database } = await openSession(global, "list networks");
    const rows = filterNetworks(database, networkRows(database), filters);
    const format = formatOf(options, DEFAULT_FORMAT, "{{.ID}}");
    print(formatRows(NETWORKS, rows.map((row) => networkListRow(row, !options.flag("no-trunc"))), format));
    return 0;
  },
};
