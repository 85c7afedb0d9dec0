import {
  commitContainer,
  committedRunning,
  committedStopped,
  type ParentImage,
} from "../container/commit.ts";
import { recordEvent } from "../container/events.ts";
import { findContainer, isRunning } from "../container/records.ts";
import { whilePaused } from "../container/while_paused.ts";
import { findRunning } from "../container/running.ts";
import { ImageError, UsageError } from "../errors.ts";
import { interruptible } from "../image/interrupt.ts";
import { formatReference, parseReference } from "../image/reference.ts";
import type { ImageStore } from "../image/store/store.ts";
import type { Command } from "./command.ts";
import { print } from "./output.ts";
import { CHANGE, MESSAGE } from "./revision.ts";
import { openSession } from "./session.ts";
import { storeOf } from "./store_of.ts";

export const command: Command = {
  usage: "[OPTIONS] CONTAINER [REPOSITORY[:TAG]]",
  summary: "Make an image of a container and its changes. One that runs is paused meanwhile.",
  options: [
    { name: "author", short: "a", value: "AUTHOR", help: "who made it: NAME <ADDRESS>" },
    CHANGE,
    MESSAGE,
    { name: "pause", short: "p", help: "pause the container meanwhile (default; --pause=false does not)" },
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
    const tags = repository === undefined ? [] : [formatReference(parseReference(repository))];
    const session = await openSession(global, "commit containers");
    const { database, paths } = session;
    const store = storeOf(session);
    const found = findContainer(database, name);
    const runs = isRunning(found);
    const container = runs
      ? committedRunning(findRunning(found, "cannot commit"), found)
      : committedStopped(database, found);
    using parent = await openParent(store, container.image, paths.state);
    const work = { container, parent, paths };
    const change = {
      author: options.text("author"),
      message: options.text("message"),
      changes: options.list("change"),
    };
    const pauses = runs && (!options.isGiven("pause") || options.flag("pause"));
    const { id } = await interruptible(
      `cannot commit ${JSON.stringify(name)}`,
      (signal) =>
        whilePaused(
          found,
          pauses,
          options.isGiven("pause"),
          () => commitContainer({ ...work, options: change, signal }, (image) => store.load(image, { tags })),
        ),
    );
    recordEvent(database, found.id, "commit", { comment: options.text("message") ?? "", imageID: id });
    print(`${id}\n`);
    return 0;
  },
};

/**
 * Opens the image of a container: it is in the store, or in an archive that is used in place.
 * @throws {ImageError} when it is nowhere any more
 */
async function openParent(
  store: ImageStore,
  imageId: string,
  spoolFolder: string,
): Promise<ParentImage & Disposable> {
  const stored = store.find(imageId);
  if (stored !== undefined) {
    const opened = store.openLayers(stored.config.diffIds);
    return { ...opened, configText: stored.configText };
  }
  const path = store.archives.pathOf(imageId);
  const gone = () =>
    new ImageError({
      what: `cannot find image ${imageId}`,
      why: "the archive that the container was made of is gone, or was changed",
    });
  if (path === undefined) throw gone();
  const { openSource } = await import("../image/source/open.ts");
  const source = await openSource(path, { spoolFolder });
  const image = source.images.find(({ id }) => id === imageId);
  if (image !== undefined) {
    return {
      configText: image.configText,
      layers: image.layers,
      [Symbol.dispose]: () => source[Symbol.dispose](),
    };
  }
  source[Symbol.dispose]();
  throw gone();
}
