import { interruptible } from "../../image/interrupt.ts";
import { formatImageName, parseImageName } from "../../image/reference.ts";
import { listTags } from "../../image/registry/documents.ts";
import type { Command } from "../command.ts";
import { print, STANDARD_OUTPUT } from "../output.ts";
import { connect, readTransfer, TRANSFER_OPTIONS } from "../registry.ts";
import { PLATFORM, readPlatform } from "../registry_options.ts";
import { openSession } from "../session.ts";
import { fetchImage, pullStatus } from "./fetch.ts";

export const command: Command = {
  usage: "[OPTIONS] NAME[:TAG|@DIGEST]",
  summary: "Download an image from a registry.",
  options: [...TRANSFER_OPTIONS, PLATFORM],
  async run(invocation) {
    const platform = readPlatform(invocation.options);
    const { name, what, isForAll, isQuiet, isInsecure, fullName } = readTransfer(
      "pull",
      invocation,
      parseImageName,
    );
    const session = await openSession(invocation.global, "pull images");
    await interruptible(what, async (signal) => {
      const registry = await connect({ domain: name.domain, isInsecure }, what, signal);
      const tags = isForAll ? await listTags({ registry, path: name.path, what, signal }) : [];
      const names = isForAll ? tags.map((tag) => ({ ...name, tag })) : [name];
      const settings = { session, registry, platform, isQuiet, output: STANDARD_OUTPUT, signal };
      let isAnyNewer = false;
      for (const each of names) {
        const { isNewer } = await fetchImage({ ...settings, name: each });
        isAnyNewer ||= isNewer;
      }
      if (!isQuiet) print(pullStatus(isForAll ? name.repository : formatImageName(name), isAnyNewer));
      print(`${fullName}\n`);
    });
    return 0;
  },
};
