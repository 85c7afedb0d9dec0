import { Arrival, Attachment, type AttachOptions, requireTerminalFor } from "../../container/attach.ts";
import { STREAM_NAMES } from "../../container/options.ts";
import { findContainer } from "../../container/records.ts";
import { UsageError } from "../../errors.ts";
import type { Invocation } from "../command.ts";
import { openSession } from "../session.ts";
import { readDetachKeys } from "./detach_keys.ts";
import { startAgain } from "./start.ts";

/**
 * `start -a` and `start -i`: starts a container, if it does not run, and stays until it ends.
 * @returns its exit code; 0 when its terminal was left with the detach keys, as in docker
 */
export async function startAttached({ args, options, global }: Invocation): Promise<number> {
  const [name = "", second] = args;
  if (second !== undefined) {
    throw new UsageError({
      what: "you cannot start and attach multiple containers at once",
      why: `${args.length} were given`,
      hint: "leave out -a and -i, or give one",
    });
  }
  const how: AttachOptions = {
    streams: options.flag("interactive") ? STREAM_NAMES : ["stdout", "stderr"],
    proxiesSignals: true,
    detachKeys: readDetachKeys(options),
    endsUnread: false,
  };
  const session = await openSession(global, "start containers");
  const container = findContainer(session.database, name);
  requireTerminalFor(container.config.options, how);
  const arrival = new Arrival(session, container.id);
  await startAgain(session, container, arrival);
  using attachment = arrival.attachment ?? new Attachment(session, container.id, false);
  return (await attachment.run(how)) ?? 0;
}
