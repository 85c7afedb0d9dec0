import { type ContainerRecord, seekContainer } from "../container/records.ts";
import { seekVolume } from "../container/volumes.ts";
import { ImageError, UsageError } from "../errors.ts";
import { ImageCatalog } from "../image/store/catalog.ts";
import type { Command } from "./command.ts";
import { describeImage } from "./image/details.ts";
import { FORMAT, inspectNames, requireNames } from "./image/inspect.ts";
import { log } from "../log.ts";
import type { Database } from "../state/database.ts";
import { seekNetwork } from "../network/records.ts";
import { describeNetwork } from "./network/rows.ts";
import { describeVolume } from "./volume/rows.ts";
import { containerViews } from "./container/inspect.ts";
import { openSession } from "./session.ts";
import { storeOf } from "./store_of.ts";
import type { Value } from "./template/value.ts";

/** How the objects of each type are looked up; undefined when there is none of that name. */
type Finders = Readonly<Record<string, (name: string) => Value | undefined>>;

export const command: Command = {
  usage: "[OPTIONS] NAME|ID [NAME|ID...]",
  summary: "Print what there is to know of containers, images, networks and volumes, as JSON.",
  options: [
    FORMAT,
    { name: "size", short: "s", help: "also what containers have written, in bytes" },
    {
      name: "type",
      value: "TYPE",
      help: "look among objects of this type only: container, image, network, volume",
    },
  ],
  async run(invocation) {
    requireNames(invocation, "NAME");
    const type = invocation.options.text("type") ?? "";
    const session = await openSession(invocation.global, "inspect");
    const withSize = invocation.options.flag("size");
    const catalog = new ImageCatalog(storeOf(session));
    const show = containerViews(session, withSize);
    // docker's order
    const finders: Finders = {
      container: (name) => findContainerOf(session.database, name, show),
      image(name) {
        const found = findImage(catalog, name);
        if (found !== undefined && withSize) log.warn("--size is ignored for images");
        return found;
      },
      network: (name) => {
        const found = seekNetwork(session.database, name);
        return found && describeNetwork(session.database, found);
      },
      volume: (name) => {
        const found = seekVolume(session.database, name);
        return found && describeVolume(found, session.paths);
      },
    };
    if (type !== "" && !Object.hasOwn(finders, type)) {
      throw new UsageError({
        what: "cannot inspect",
        why: `${JSON.stringify(type)} is not a valid value for --type`,
        hint: `there are: ${Object.keys(finders).join(", ")}`,
      });
    }
    return inspectNames(invocation, (name) => findAny(finders, type, name));
  },
};

function findContainerOf(
  database: Database,
  name: string,
  show: (container: ContainerRecord) => Value,
): Value | undefined {
  const container = seekContainer(database, name);
  return container && show(container);
}

function findImage(catalog: ImageCatalog, name: string): Value | undefined {
  const image = catalog.find(name);
  return image && describeImage(image);
}

function findAny(finders: Finders, type: string, name: string): Value {
  for (const [each, find] of Object.entries(finders)) {
    const found = type === "" || type === each ? find(name) : undefined;
    if (found !== undefined) return found;
  }
  throw new ImageError({ what: `No such ${type || "object"}`, why: name });
}
