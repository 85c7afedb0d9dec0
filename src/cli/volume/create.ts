import { newId } from "../../container/names.ts";
import { addVolume } from "../../container/volume_records.ts";
import { parseVolumeOptions } from "../../container/volume_options.ts";
import { makeVolumeFolder } from "../../container/volumes.ts";
import { UsageError } from "../../errors.ts";
import { stepDone } from "../../plan/fault.ts";
import type { Command } from "../command.ts";
import { checkVolumeName } from "../mount_options.ts";
import { print } from "../output.ts";
import { openSession } from "../session.ts";

export const command: Command = {
  usage: "[OPTIONS] [VOLUME]",
  summary: "Make a volume. Nothing happens when there is one of that name.",
  options: [
    { name: "driver", short: "d", value: "DRIVER", help: "local, the only one" },
    { name: "label", value: "NAME=VALUE", repeats: true, help: "describe it, for lists and filters" },
    { name: "name", value: "NAME", help: "the same as VOLUME" },
    {
      name: "opt",
      short: "o",
      value: "NAME=VALUE",
      repeats: true,
      help: "type=, device= and o= of a file system to be mounted, as of mount(8); o=bind for a path",
    },
  ],
  async run({ args, options, global }) {
    const [given, ...more] = args;
    const flag = options.text("name");
    if (more.length > 0 || (given !== undefined && flag !== undefined)) {
      throw new UsageError({ what: "cannot create a volume", why: "more than one name was given" });
    }
    const driver = options.text("driver") ?? "local";
    if (driver !== "local") {
      throw new UsageError({
        what: "cannot create a volume",
        why: `there is no volume driver ${JSON.stringify(driver)}`,
        hint: "leave --driver out",
      });
    }
    const wanted = given ?? flag;
    if (wanted !== undefined) checkVolumeName(wanted);
    const name = wanted ?? newId();
    const labels = Object.fromEntries(
      options.list("label").map((text) => {
        const [key = "", ...value] = text.split("=");
        return [key, value.join("=")];
      }),
    );
    const volumeOptions = parseVolumeOptions(name, options.list("opt"));
    const { database, paths } = await openSession(global, "make volumes");
    const properties = { isAnonymous: wanted === undefined, labels, options: volumeOptions };
    database.transaction(() => addVolume(database, name, properties));
    stepDone();
    makeVolumeFolder(paths, name);
    stepDone();
    print(`${name}\n`);
    return 0;
  },
};
