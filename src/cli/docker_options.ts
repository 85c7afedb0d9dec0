/** docker's options of run that dhow does not have: each is refused by its name, rather than as a mistake of typing. */
import type { Option, ParsedOptions } from "./command.ts";
import type { Wrong } from "./run_options.ts";

const STORAGE = "dhow cannot limit how much a container writes to its layer";
const GPUS = "dhow does not bring the drivers of GPUs; --device gives a container devices";
const LINKS = "containers find each other by their names in a network that was made: dhow network create";
const WINDOWS = "it is for Windows only";
const NEVER = "dhow is the only runtime that there is";

/** By the reason, options with a value, of which those with + may be repeated, and switches, which have a !; letters follow. */
const REFUSED: readonly (readonly [why: string, names: string])[] = [
  [STORAGE, "storage-opt+"],
  [GPUS, "gpus"],
  [LINKS, "link+ link-local-ip+"],
  [WINDOWS, "cpu-count cpu-percent io-maxbandwidth io-maxiops"],
  [NEVER, "annotation+ runtime"],
];

interface Refused extends Option {
  readonly why: string;
}

const REFUSED_OPTIONS: readonly Refused[] = REFUSED.flatMap(([why, names]) =>
  names.split(" ").map((text): Refused => {
    const [, name = "", mark, short] = /^([a-z0-9-]+)([+!]?)(?:,(\w))?$/.exec(text) ?? [];
    return {
      name,
      why,
      isHidden: true,
      help: "not yet",
      ...(short === undefined ? {} : { short }),
      ...(mark === "!" ? {} : { value: "VALUE" }),
      ...(mark === "+" ? { repeats: true } : {}),
    };
  })
);

/** Options that change nothing here, and those that only look different. */
const ACCEPTED_OPTIONS: readonly Option[] = [
  { name: "isolation", value: "DEFAULT", isHidden: true, help: "default, the only one" },
  { name: "volume-driver", value: "LOCAL", isHidden: true, help: "local, the only one" },
  {
    name: "disable-content-trust",
    isHidden: true,
    isOnByDefault: true,
    help: "signatures of images are not looked at",
  },
];

export const DOCKER_OPTIONS: readonly Option[] = [...REFUSED_OPTIONS, ...ACCEPTED_OPTIONS];

/** @throws {UsageError} when one was given that dhow does not have, or cannot do */
export function refuseOptions(options: ParsedOptions, wrong: Wrong): void {
  for (const { name, why } of REFUSED_OPTIONS) {
    const isGiven = options.flag(name) || options.text(name) !== undefined || options.list(name).length > 0;
    if (isGiven) throw wrong(`there is no --${name}: ${why}`, "docs/docker.md lists what there is");
  }
  const isolation = options.text("isolation") || "default";
  if (isolation !== "default") {
    throw wrong(`Invalid isolation: ${JSON.stringify(isolation)}`, "linux only supports 'default'");
  }
  const driver = options.text("volume-driver") || "local";
  if (driver !== "local") throw wrong(`there is no volume driver ${JSON.stringify(driver)}`);
  if (!options.flag("disable-content-trust")) {
    throw wrong("--disable-content-trust=false is not possible", "dhow looks at no signatures of images");
  }
}
