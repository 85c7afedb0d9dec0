/** Whose ids a container's users are on the host: `--userns`, `--uidmap`, `--gidmap`, in podman's words. */
import type { AutoIds, RunOptions } from "../container/options.ts";
import type { IdMapping } from "../plan/step.ts";
import { keepId, mappedFromZero, mappingFault, parseMapping } from "../security/id_mappings.ts";
import { ownNamespace } from "../state/user_namespace.ts";
import type { Option, ParsedOptions } from "./command.ts";
import type { Wrong } from "./run_options.ts";

/** What --userns takes as its value if it is the next argument; `--userns=VALUE` may say anything. */
const isMode = (text: string) => text === "host" || /^(auto|keep-id)(:|$)/.test(text);

export const USERNS_OPTIONS: readonly Option[] = [
  {
    name: "userns",
    value: "[host|auto|keep-id]",
    withoutValue: "caller",
    isValue: isMode,
    help:
      "a user namespace: auto has ids of its own; in keep-id an ordinary user is the same; without a value, its root is the caller, and nobody else",
  },
  {
    name: "uidmap",
    value: "CONTAINER:HOST[:SIZE]",
    repeats: true,
    help: "a user namespace in which uids from CONTAINER on are the host's from HOST on",
  },
  { name: "gidmap", value: "CONTAINER:HOST[:SIZE]", repeats: true, help: "the same for gids" },
];

/** Whether a container is to have a user namespace. */
export function hasUserNamespace(options: ParsedOptions): boolean {
  return (options.text("userns") || "host") !== "host" || options.list("uidmap").length > 0 ||
    options.list("gidmap").length > 0;
}

type UserNamespace = Pick<RunOptions, "userNamespace" | "ids" | "autoIds"> & {
  /** Whom its program runs as, unless that is said. Absent for the image's user. */
  readonly keptUser?: string;
};

const TAKES =
  "--userns takes host, auto, auto:size=N,uidmapping=C:H:N,gidmapping=C:H:N, keep-id, keep-id:uid=N,gid=N, or no value";

/** @throws {UsageError} when they contradict each other or cannot be */
export function readUserNamespace(options: ParsedOptions, wrong: Wrong): UserNamespace {
  const mode = options.text("userns") || "host";
  const [uids, gids] = [options.list("uidmap"), options.list("gidmap")];
  if (uids.length > 0 || gids.length > 0) {
    if (options.isGiven("userns")) throw wrong("--userns and --uidmap or --gidmap contradict each other");
    const read = (name: string, texts: readonly string[]) => {
      const mappings = texts.map((text) => readMapping(text, `--${name}`, wrong));
      const fault = mappingFault(mappings);
      if (fault !== undefined) throw wrong(`--${name}: ${fault}`);
      return mappings;
    };
    const [users, groups] = [
      read("uidmap", uids.length > 0 ? uids : gids),
      read("gidmap", gids.length > 0 ? gids : uids),
    ];
    return { userNamespace: true, ids: { uids: users, gids: groups } };
  }
  if (mode === "host") return { userNamespace: false };
  if (mode === "caller") return { userNamespace: true };
  if (mode === "auto") return { userNamespace: true, autoIds: { uids: [], gids: [] } };
  if (mode.startsWith("auto:")) return { userNamespace: true, autoIds: readAuto(mode.slice(5), wrong) };
  if (mode === "keep-id" || mode.startsWith("keep-id:")) return keepIds(mode.slice("keep-id:".length), wrong);
  throw wrong(`there is no --userns ${JSON.stringify(mode)}`, TAKES);
}

/** As podman has it: the user's own ids stay what they are, those of the user's ranges are all others. */
function keepIds(text: string, wrong: Wrong): UserNamespace {
  const own = ownNamespace();
  if (own === undefined) {
    throw wrong("--userns keep-id keeps the ids of an ordinary user, and this is root", TAKES);
  }
  let [uid, gid] = [own.uids[0]!.hostID, own.gids[0]!.hostID];
  for (const field of text.split(",").filter((each) => each !== "")) {
    const [, kind, id] = /^(uid|gid)=(\d{1,10})$/.exec(field) ?? [];
    if (id === undefined || Number(id) >= 2 ** 32 - 1) {
      throw wrong(`--userns keep-id: ${JSON.stringify(field)} is not understood`, TAKES);
    }
    if (kind === "uid") uid = Number(id);
    else gid = Number(id);
  }
  return {
    userNamespace: true,
    ids: { uids: keepId(mappedFromZero(own.uids), uid), gids: keepId(mappedFromZero(own.gids), gid) },
    keptUser: `${uid}:${gid}`,
  };
}

function readMapping(text: string, name: string, wrong: Wrong): IdMapping {
  const mapping = parseMapping(text);
  if (mapping === undefined) {
    throw wrong(`${name}: ${JSON.stringify(text)} is no range of ids`, "write it as CONTAINER:HOST:SIZE");
  }
  return mapping;
}

function readAuto(text: string, wrong: Wrong): AutoIds {
  const uids: IdMapping[] = [];
  const gids: IdMapping[] = [];
  let size: number | undefined;
  for (const field of text.split(",").filter((each) => each !== "")) {
    const at = field.indexOf("=");
    const [key, value] = [field.slice(0, Math.max(at, 0)), field.slice(at + 1)];
    if (key === "uidmapping") uids.push(readMapping(value, key, wrong));
    else if (key === "gidmapping") gids.push(readMapping(value, key, wrong));
    else if (key === "size" && /^[1-9]\d{0,8}$/.test(value)) size = Number(value);
    else throw wrong(`--userns auto: ${JSON.stringify(field)} is not understood`, TAKES);
  }
  return { ...(size === undefined ? {} : { size }), uids, gids };
}
