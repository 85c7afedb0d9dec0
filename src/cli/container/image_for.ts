import { type ResolvedImage, resolveImage } from "../../container/image.ts";
import type { RunOptions } from "../../container/options.ts";
import { formatImageName } from "../../image/reference.ts";
import { STANDARD_ERROR } from "../output.ts";
import type { Session } from "../session.ts";
import { storeOf } from "../store_of.ts";

/** The image of a container that is about to be, downloaded if it has to be. */
export function imageFor(session: Session, options: RunOptions): Promise<ResolvedImage> {
  const { pull, platform, quiet: isQuiet, insecure: isInsecure } = options;
  return resolveImage(storeOf(session), options.image, {
    pull,
    platform,
    async download(name) {
      if (pull === "missing" && !isQuiet) {
        STANDARD_ERROR.print(`Unable to find image '${formatImageName(name)}' locally\n`);
      }
      const { fetchForRun } = await import("../image/fetch.ts");
      return await fetchForRun(session, name, { platform, isQuiet, isInsecure });
    },
    spoolFolder: session.paths.state,
    verify: options.verify,
    inUserNamespace: options.userNamespace,
  });
}
