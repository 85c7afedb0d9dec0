import { resolveImage } from "../../container/image.ts";
import { allContainers, type ContainerRecord } from "../../container/records.ts";
import { isStartedAtBoot } from "../../container/restart.ts";
import { type Audience, startContainer } from "../../container/start.ts";
import { awaitRunsEnd } from "../../container/stop.ts";
import { ImageError, UsageError } from "../../errors.ts";
import { isAlive, isSelf } from "../../state/process_identity.ts";
import { DETACH_KEYS } from "../attach_options.ts";
import type { Command, Invocation } from "../command.ts";
import { openSession, type Session } from "../session.ts";
import { storeOf } from "../store_of.ts";
import { eachContainer, requireContainers } from "./each.ts";

export const command: Command = {
  usage: "[OPTIONS] CONTAINER [CONTAINER...]",
  summary: "Start containers that do not run.",
  options: [
    {
      name: "all",
      help: "in place of CONTAINER: those whose restart policy wants it, after the machine has started",
    },
    { name: "attach", short: "a", help: "stay until it ends: print what it writes, pass signals on" },
    { name: "interactive", short: "i", help: "the same, and give it standard input" },
    DETACH_KEYS,
  ],
  async run(invocation) {
    if (invocation.options.flag("all")) return await startAll(invocation);
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

/** Does what docker's daemon does when it starts. */
async function startAll(invocation: Invocation): Promise<number> {
  if (invocation.args.length > 0) {
    throw new UsageError({ what: "cannot start containers", why: "--all takes no CONTAINER" });
  }
  const session = await openSession(invocation.global, "start containers");
  const meant = allContainers(session.database).filter(isStartedAtBoot).map(({ id }) => id);
  return await eachContainer(
    { ...invocation, args: meant.toReversed() },
    session,
    async (container) => {
      await startAgain(session, container);
      return container.name;
    },
  );
}

/** Starts a container on its image as it is on record; does nothing when it runs. */
export async function startAgain(
  session: Session,
  container: ContainerRecord,
  audience?: Audience,
): Promise<void> {
  if (container.status === "running") {
    if (isAlive(container.process)) return;
    // it has ended this moment
    const ended = await awaitRunsEnd(session, container);
    if (ended !== undefined && ended.owner !== null) return; // or has been started again since
  } else if (container.status === "restarting" && container.owner !== null && !isSelf(container.owner)) {
    return; // it will be started soon
  }
  const { id, config, image: expected } = container;
  const image = await resolveImage(storeOf(session), config.source, {
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
  await startContainer(session, id, image, audience);
}
