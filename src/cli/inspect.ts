import { ImageError, UsageError } from "../errors.ts";
import { ImageCatalog } from "../image/store/catalog.ts";
import type { Command } from "./command.ts";
import { describeImage } from "./image/details.ts";
import { FORMAT, inspectNames, requireNames } from "./image/inspect.ts";
import { log } from "../log.ts";
import { openSession } from "./session.ts";
import type { Value } from "./template/value.ts";

/** How the objects of each type are looked up; undefined when there is none of that name. */
type Finders = Readonly<Record<string, (name: string) => Value | undefined>>;

export const command: Command = {
  usage: "[OPTIONS] NAME|ID [NAME|ID...]",
  summary: "Print what there is to know of images, as JSON.",
  options: [
    FORMAT,
    { name: "size", short: "s", help: "ignored for images: their size is printed always" },
    { name: "type", value: "TYPE", help: "look among objects of this type only: image" },
  ],
  async run(invocation) {
    requireNames(invocation, "NAME");
    const type = invocation.options.text("type") ?? "";
    const { store } = await openSession(invocation.global, "inspect");
    const catalog = new ImageCatalog(store);
    const finders: Finders = { image: (name) => findImage(catalog, name) };
    if (type !== "" && !Object.hasOwn(finders, type)) {
      throw new UsageError({
        what: "cannot inspect",
        why: `${JSON.stringify(type)} is not a valid value for --type`,
        hint: `there are: ${Object.keys(finders).join(", ")}`,
      });
    }
    if (invocation.options.flag("size")) log.warn("--size is ignored for images");
    return inspectNames(invocation, (name) => findAny(finders, type, name));
  },
};

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
