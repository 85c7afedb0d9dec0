import { Attachment, type AttachOptions, requireTerminalFor } from "../../container/attach.ts";
import { STREAM_NAMES } from "../../container/options.ts";
import { findContainer } from "../../container/records.ts";
import { DhowError, UsageError } from "../../errors.ts";
import { DETACH_KEYS } from "../attach_options.ts";
import type { Command } from "../command.ts";
import { openSession } from "../session.ts";
import { readDetachKeys } from "./detach_keys.ts";

export const command: Command = {
  usage: "[OPTIONS] CONTAINER",
  summary: "Watch a container that runs by itself, and give it input, until it ends.",
  options: [
    { name: "no-stdin", help: "give it no input" },
    {
      name: "sig-proxy",
      isOnByDefault: true,
      help: "pass signals on to it, if it has no terminal (default)",
    },
    DETACH_KEYS,
  ],
  async run({ args, options, global }) {
    const [name, extra] = args;
    if (name === undefined || extra !== undefined) {
      throw new UsageError({
        what: "cannot attach",
        why: "one CONTAINER is needed",
        hint: "see: dhow attach --help",
      });
    }
    const how: AttachOptions = {
      streams: options.flag("no-stdin") ? ["stdout", "stderr"] : STREAM_NAMES,
      proxiesSignals: options.flag("sig-proxy"),
      detachKeys: readDetachKeys(options),
      endsUnread: false,
    };
    const session = await openSession(global, "attach to containers");
    const container = findContainer(session.database, name);
    using attachment = new Attachment(session, container.id, false);
    requireTerminalFor(container.config.options, how);
    const code = await attachment.run(how);
    if (code !== undefined) return code;
    throw new DhowError({ what: "read escape sequence", why: "the container goes on" });
  },
};
