import { interruptible } from "../../image/interrupt.ts";
import { formatFullName, formatImageName, parseImageName, saysNoTag } from "../../image/reference.ts";
import { listTags } from "../../image/registry/documents.ts";
import type { Command } from "../command.ts";
import { print, STANDARD_OUTPUT } from "../output.ts";
import { connect, onlyArgument, refuseTag } from "../registry.ts";
import { INSECURE, PLATFORM, readPlatform } from "../registry_options.ts";
import { openSession } from "../session.ts";
import { fetchImage, pullStatus } from "./fetch.ts";

export const command: Command = {
  usage: "[OPTIONS] NAME[:TAG|@DIGEST]",
  summary: "Download an image from a registry.",
  options: [
    { name: "all-tags", short: "a", help: "download all tagged images in the repository" },
    INSECURE,
    PLATFORM,
    { name: "quiet", short: "q", help: "print the image's name only" },
  ],
  async run({ args, options, global }) {
    const text = onlyArgument("pull", args);
    const name = parseImageName(text);
    const isForAll = options.flag("all-tags");
    if (isForAll) refuseTag("pull", text);
    const isQuiet = options.flag("quiet");
    const settings = { platform: readPlatform(options), isQuiet, output: STANDARD_OUTPUT };
    const session = await openSession(global, "pull images");
    const what = `cannot pull ${JSON.stringify(text)}`;
    const registryOptions = { domain: name.domain, isInsecure: options.flag("insecure") };
    if (!isQuiet && !isForAll && saysNoTag(text)) print("Using default tag: latest\n");
    await interruptible(what, async (signal) => {
      const registry = await connect(registryOptions, what, signal);
      const inquiry = { registry, path: name.path, what, signal };
      const tags = isForAll ? await listTags(inquiry) : [];
      const names = isForAll ? tags.map((tag) => ({ ...name, tag })) : [name];
      let isAnyNewer = false;
      for (const each of names) {
        const { isNewer } = await fetchImage({ ...settings, session, registry, name: each, signal });
        isAnyNewer ||= isNewer;
      }
      if (!isQuiet) print(pullStatus(isForAll ? name.repository : formatImageName(name), isAnyNewer));
      print(`${isForAll ? `${name.domain}/${name.path}` : formatFullName(name)}\n`);
    });
    return 0;
  },
};
