import type { ContainerRecord } from "../../container/records.ts";
import { ExitFile } from "../../container/settle.ts";
import { awaitEnd } from "../../container/stop.ts";
import type { Command } from "../command.ts";
import { openSession, type Session } from "../session.ts";
import { eachContainer, requireContainers } from "./each.ts";

/** What docker gives when it does not know. */
const UNKNOWN = 255;

export const command: Command = {
  usage: "CONTAINER [CONTAINER...]",
  summary: "Wait until containers have ended, and print their exit codes.",
  options: [],
  async run(invocation) {
    requireContainers(invocation, "wait");
    const session = await openSession(invocation.global, "wait for containers");
    return await eachContainer(invocation, session, async (container) => {
      if (container.status === "exited") return String(container.exitCode ?? UNKNOWN);
      // it may be removed when it has ended
      using exit = container.status === "running" ? openExit(session, container) : undefined;
      const ended = await awaitEnd(session, container);
      return String(ended === undefined ? exit?.read()?.exitCode ?? UNKNOWN : ended.exitCode ?? 0);
    });
  },
};

/** @returns undefined when it is gone already */
function openExit({ paths }: Session, { id }: ContainerRecord): ExitFile | undefined {
  try {
    return new ExitFile(paths, id);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}
