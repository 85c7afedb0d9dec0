import { UsageError } from "../../errors.ts";
import { parseReference } from "../../image/reference.ts";
import { ImageCatalog } from "../../image/store/catalog.ts";
import type { Command } from "../command.ts";
import { openSession } from "../session.ts";
import { storeOf } from "../store_of.ts";

export const command: Command = {
  usage: "SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]",
  summary: "Give an image one more name.",
  options: [],
  async run({ args: [source, target, extra], global }) {
    if (source === undefined || target === undefined || extra !== undefined) {
      throw new UsageError({ what: "cannot tag", why: "tag takes two arguments: SOURCE_IMAGE TARGET_IMAGE" });
    }
    const reference = parseReference(target);
    const store = storeOf(await openSession(global, "tag images"));
    new ImageCatalog(store).tag(source, reference);
    return 0;
  },
};
