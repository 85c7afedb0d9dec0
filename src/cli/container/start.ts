import { resolveImage } from "../../container/image.ts";
import type { ContainerRecord } from "../../container/records.ts";
import { startContainer } from "../../container/start.ts";
import { ImageError } from "../../errors.ts";
import type { Command } from "../command.ts";
import { openSession, type Session } from "../session.ts";
import { DETACH_KEYS } from "./detach_keys.ts";
import { eachContainer, requireContainers } from "./each.ts";

export const command: Command = {
  usage: "[OPTIONS] CONTAINER [CONTAINER...]",
  summary: "Start containers that do not run.",
  options: [
    { name: "attach", short: "a", help: "stay until it ends: print what it writes, pass signals on" },
    { name: "interactive", short: "i", help: "the same, and give it standard input" },
    DETACH_KEYS,
  ],
  async run(invocation) {
    requireContainers(invocation, "start");
    const { options } = invocation;
    if (options.flag("attach") || options.flag("interactive")) {
      const { startAttached } = await import("./start_attached.ts");
      return await startAttached(invocation);
    }
    const session = await openSession(invocation.global, "start containers");
    return await eachContainer(invocation, session, (container) => startAgain(session, container));
  },
};

/**
 * Starts a container on its image as it is on record; does nothing when it runs.
 * @param beforeItsOutput see startContainer
 */
export async function startAgain(
  session: Session,
  container: ContainerRecord,
  beforeItsOutput?: () => void,
): Promise<void> {
  if (container.status === "running") return;
  const { id, config, image: expected } = container;
  const image = await resolveImage(session.store, config.source, {
    pull: "never",
    platform: undefined,
    download: () => Promise.reject(new Error("nothing is to be downloaded")),
    spoolFolder: session.paths.state,
    verify: false,
    inUserNamespace: config.options.userNamespace,
  });
  if (image.id !== expected) {
    throw new ImageError({
      what: `cannot start container ${id.slice(0, 12)}`,
      why: `${JSON.stringify(config.source)} is not the image any more that it was made from`,
      hint: "make a new container",
    });
  }
  await startContainer(session, id, image, beforeItsOutput);
}
