import { differences } from "../../container/differences.ts";
import { findContainer } from "../../container/records.ts";
import { UsageError } from "../../errors.ts";
import { toBytes } from "../../image/tar/byte_string.ts";
import { log } from "../../log.ts";
import type { Command } from "../command.ts";
import { print } from "../output.ts";
import { openSession } from "../session.ts";
import { lowerOf } from "./lower_of.ts";

export const command: Command = {
  usage: "CONTAINER",
  summary: "List what a container has added (A), changed (C) and deleted (D) of its image's files.",
  options: [],
  async run({ args, global }) {
    const [name] = args;
    if (name === undefined || args.length > 1) {
      throw new UsageError({
        what: "cannot list differences",
        why: `diff takes one container, but ${args.length} were given`,
        hint: "see: dhow diff --help",
      });
    }
    const session = await openSession(global, "look at containers");
    const container = findContainer(session.database, name);
    const lower = await lowerOf(session, container);
    const found = await differences(session.paths, container, lower, (text) => log.warn(text));
    const decoder = new TextDecoder();
    print(found.map(({ kind, path }) => `${kind} ${decoder.decode(toBytes(path))}\n`).join(""));
    return 0;
  },
};
