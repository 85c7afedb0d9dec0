import { commitContainer } from "../container/commit.ts";
import { findRunning } from "../container/running.ts";
import { UsageError } from "../errors.ts";
import { interruptible } from "../image/interrupt.ts";
import { formatReference, parseReference } from "../image/reference.ts";
import type { Command } from "./command.ts";
import { print } from "./output.ts";
import { openSession } from "./session.ts";
import { configText } from "./stored.ts";

export const command: Command = {
  usage: "[OPTIONS] CONTAINER [REPOSITORY[:TAG]]",
  summary:
    "Make an image of a running container's changes. The container goes on meanwhile: dhow cannot pause one yet.",
  options: [
    { name: "author", short: "a", value: "AUTHOR", help: "who made it: NAME <ADDRESS>" },
    {
      name: "change",
      short: "c",
      value: "INSTRUCTION",
      repeats: true,
      help: "apply an instruction of a Dockerfile: CMD, ENTRYPOINT, ENV, EXPOSE, ...",
    },
    { name: "message", short: "m", value: "TEXT", help: "a remark for the image's history" },
    { name: "pause", short: "p", help: "pause the container meanwhile; not possible yet" },
  ],
  async run({ args, options, global }) {
    const [name, repository] = args;
    if (name === undefined || args.length > 2) {
      throw new UsageError({
        what: "cannot commit",
        why: `commit takes a container and a name, but ${args.length} arguments were given`,
        hint: "see: dhow commit --help",
      });
    }
    if (options.flag("pause")) {
      throw new UsageError({
        what: "cannot pause the container",
        why: "dhow has no freezer yet",
        hint: "leave --pause out: the container then goes on while its changes are read",
      });
    }
    const tags = repository === undefined ? [] : [formatReference(parseReference(repository))];
    const { database, paths, store } = await openSession(global, "commit containers");
    const container = findRunning(database, name, "cannot commit");
    const work = { container, parentText: configText(database, container.image), paths };
    const change = {
      author: options.text("author"),
      message: options.text("message"),
      changes: options.list("change"),
    };
    const { id } = await interruptible(
      `cannot commit ${JSON.stringify(name)}`,
      (signal) =>
        commitContainer({ ...work, options: change, signal }, (image) => store.load(image, { tags })),
    );
    print(`${id}\n`);
    return 0;
  },
};
