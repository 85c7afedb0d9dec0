import { resolveImage } from "../../container/image.ts";
import type { ContainerRecord } from "../../container/records.ts";
import type { Lower } from "../../rootfs/overlay.ts";
import { ImageError } from "../../errors.ts";
import type { Session } from "../session.ts";
import { storeOf } from "../store_of.ts";

/** The image of a container as it is mounted. @throws {ImageError} when it is gone or was changed */
export async function lowerOf(session: Session, container: ContainerRecord): Promise<Lower> {
  const { id, config, image: expected } = container;
  const image = await resolveImage(storeOf(session), config.source, {
    pull: "never",
    platform: config.options.platform,
    download: () => Promise.reject(new Error("nothing is to be downloaded")),
    spoolFolder: session.paths.state,
    verify: false,
    inUserNamespace: config.options.userNamespace,
  });
  if (image.id === expected) return image.lower;
  throw new ImageError({
    what: `cannot open container ${id.slice(0, 12)}`,
    why: `${JSON.stringify(config.source)} is not the image any more that it was made from`,
  });
}
