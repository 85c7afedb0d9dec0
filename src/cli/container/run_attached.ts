import { Arrival, type AttachOptions, requireTerminalFor } from "../../container/attach.ts";
import type { RunOptions } from "../../container/options.ts";
import { SignalForwarder } from "../../container/signals.ts";
import { createContainer, startContainer } from "../../container/start.ts";
import { SIG_PROXY } from "../attach_options.ts";
import type { Invocation } from "../command.ts";
import { print } from "../output.ts";
import { openSession } from "../session.ts";
import { withCidFile } from "./cid_file.ts";
import { readDetachKeys } from "./detach_keys.ts";
import { imageFor } from "./image_for.ts";

/**
 * `run` of a container that this command stays with, but that may outlive it: as docker does it, by making it, connecting this
 * command's streams with it, and starting it. It has a monitor, and so a log.
 * @returns its exit code; 0 when it was left with the detach keys, or only standard input was to be connected
 */
export async function runAttached(
  { options: given, global }: Invocation,
  options: RunOptions,
): Promise<number> {
  const isRead = options.attach.some((stream) => stream !== "stdin");
  // what nobody reads is for its log
  const remove = given.isGiven("rm") ? options.remove : isRead && options.restart.name === "no";
  const how: AttachOptions = {
    streams: options.attach,
    proxiesSignals: false, // those that come while it is made are for it as well
    detachKeys: readDetachKeys(given),
    endsUnread: remove,
  };
  requireTerminalFor(options, how);
  const session = await openSession(global, "run containers");
  const image = await imageFor(session, options);
  const signals = given.flag(SIG_PROXY.name) ? new SignalForwarder(() => {}) : undefined;
  try {
    const id = await withCidFile(options.cidFile, async (announce) => {
      const made = await createContainer(session, { ...options, remove }, image);
      announce(made);
      return made;
    });
    if (!isRead) print(`${id}\n`);
    const arrival = new Arrival(session, id);
    await startContainer(session, id, image, arrival);
    using attachment = arrival.attachment!;
    const { process } = attachment;
    if (process !== undefined) {
      signals?.begin({ pid: process.identity.pid, signal: (signal) => process.signal(signal) });
    }
    return (await attachment.run(how)) ?? 0;
  } finally {
    signals?.release();
  }
}
