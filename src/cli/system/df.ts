import { UsageError } from "../../errors.ts";
import type { Command } from "../command.ts";
import { formatOf, formatRows, type Listing, type Row } from "../format/listing.ts";
import { humanSize } from "../human.ts";
import { print } from "../output.ts";
import { openSession } from "../session.ts";
import { diskUsage, type Kind } from "./usage.ts";

const KINDS: Listing = {
  type: "*formatter.diskUsageImagesContext",
  headers: {
    Type: "TYPE",
    TotalCount: "TOTAL",
    Active: "ACTIVE",
    Size: "SIZE",
    Reclaimable: "RECLAIMABLE",
  },
};

const DEFAULT_FORMAT = "table {{.Type}}\\t{{.TotalCount}}\\t{{.Active}}\\t{{.Size}}\\t{{.Reclaimable}}";

export const command: Command = {
  usage: "[OPTIONS]",
  summary: "Say what images, containers and volumes take on the disk.",
  options: [
    { name: "format", value: "TEMPLATE", help: "print by a Go template; table TEMPLATE, json" },
    { name: "verbose", short: "v", help: "say it of each image, container and volume" },
  ],
  async run({ args, options, global }) {
    if (args.length > 0) throw new UsageError({ what: "cannot sum up", why: "df takes no arguments" });
    const isVerbose = options.flag("verbose");
    if (isVerbose && options.text("format")) {
      throw new UsageError({ what: "cannot sum up", why: "--format and --verbose cannot be combined" });
    }
    const session = await openSession(global, "measure images, containers and volumes");
    if (isVerbose) {
      print((await import("./df_verbose.ts")).verboseUsage(session));
      return 0;
    }
    print(formatRows(KINDS, diskUsage(session).map(kindRow), formatOf(options, DEFAULT_FORMAT)));
    return 0;
  },
};

function kindRow({ type, total, active, size, reclaimable }: Kind): Row {
  const share = size === 0 ? "" : ` (${Math.floor(100 * reclaimable / size)}%)`;
  return {
    fields: {
      Type: () => type,
      TotalCount: () => String(total),
      Active: () => String(active),
      Size: () => humanSize(size, 4),
      Reclaimable: () => `${humanSize(reclaimable, 4)}${type === "Build Cache" ? "" : share}`,
    },
  };
}
