import { resolveImage } from "../../container/image.ts";
import type { ContainerRecord } from "../../container/records.ts";
import { startContainer } from "../../container/start.ts";
import { ImageError } from "../../errors.ts";
import type { Command } from "../command.ts";
import { openSession, type Session } from "../session.ts";
import { eachContainer, requireContainers } from "./each.ts";

export const command: Command = {
  usage: "CONTAINER [CONTAINER...]",
  summary: "Start containers that do not run.",
  options: [],
  async run(invocation) {
    requireContainers(invocation, "start");
    const session = await openSession(invocation.global, "start containers");
    return await eachContainer(invocation, session, (container) => startAgain(session, container));
  },
};

/** Starts a container on its image as it is on record; does nothing when it runs. */
export async function startAgain(session: Session, container: ContainerRecord): Promise<void> {
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
  await startContainer(session, id, image);
}
