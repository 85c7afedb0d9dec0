/** `-v`, `--mount` and `--tmpfs`, with docker's words for what is wrong with them (docker/volume/mounts, opts/mount.go). */
import { resolve } from "@std/path";
import { type MountRequest, normalPath, type Propagation, PROPAGATIONS } from "../container/mounts.ts";
import type { VolumesFrom } from "../container/options.ts";
import { UsageError } from "../errors.ts";
import type { Option, ParsedOptions } from "./command.ts";

export const MOUNT_OPTIONS: readonly Option[] = [
  {
    name: "volume",
    short: "v",
    value: "SOURCE:TARGET[:MODE]",
    repeats: true,
    help: "mount a path of the host or a volume; MODE: ro, nocopy, rslave, idmap, ...",
  },
  {
    name: "mount",
    value: "KEY=VALUE,...",
    repeats: true,
    help: "the same in words: type=bind|volume|tmpfs, source=, target=, readonly, ...",
  },
  { name: "tmpfs", value: "TARGET[:OPTIONS]", repeats: true, help: "mount memory as a file system" },
  {
    name: "volumes-from",
    value: "CONTAINER[:ro]",
    repeats: true,
    help: "mount what another container has mounted, in the same places",
  },
];

/** Names of volumes, docker's. */
export const VOLUME_NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/;

const isPropagation = (text: string): text is Propagation => PROPAGATIONS.some((known) => known === text);

function wrong(what: string, why: string, hint?: string): UsageError {
  return new UsageError({ what, why, ...(hint === undefined ? {} : { hint }) });
}

/** @throws {UsageError} for what docker would not take */
export function readMounts(options: ParsedOptions): MountRequest[] {
  // docker takes the same words twice for once
  const once = (name: string) => [...new Set(options.list(name))];
  const mounts = [
    ...once("volume").map(parseVolume),
    ...options.list("mount").map(parseMount),
    ...once("tmpfs").map(parseTmpfs),
  ];
  const seen = new Set<string>();
  for (const { target } of mounts) {
    if (seen.has(target)) throw wrong("Duplicate mount point", target, "give each target once");
    seen.add(target);
  }
  return mounts;
}

/** `CONTAINER` or `CONTAINER:MODE`. @throws {UsageError} for what docker would not take */
export function parseVolumesFrom(text: string): VolumesFrom {
  const [container = "", ...rest] = text.split(":");
  const mode = rest.join(":");
  if (container === "") throw wrong("invalid volumes-from", `no container is named in '${text}'`);
  const words = mode === "" ? [] : mode.split(",");
  const groups = words.map((word) => MODE_GROUPS.slice(0, 2).findIndex((group) => group.includes(word)));
  if (groups.includes(-1) || new Set(groups).size < groups.length) {
    throw wrong("invalid mode", mode, "--volumes-from takes ro and rw");
  }
  return { container, mode };
}

/** @throws {UsageError} when docker would not have it as a volume's name */
export function checkVolumeName(name: string): void {
  if (VOLUME_NAME.test(name)) return;
  throw wrong(
    `create ${name}`,
    `${JSON.stringify(name)} includes invalid characters for a local volume name, only ` +
      `"[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed`,
    "if you intended to pass a host directory, use absolute path",
  );
}

function checkTarget(path: string, what: string): string {
  const target = normalPath(path);
  if (target === undefined) {
    throw wrong(what, `invalid mount path: '${path}' mount path must be absolute`);
  }
  if (target === "/") throw wrong(what, "invalid specification: destination can't be '/'");
  if (target === "/proc" || target.startsWith("/proc/")) {
    throw wrong(what, `${JSON.stringify(target)} cannot be mounted because it is inside /proc`);
  }
  return target;
}

interface Mode {
  readonly readOnly: boolean;
  readonly noCopy: boolean;
  readonly propagation: Propagation;
  readonly idmap: boolean;
}

/** Words that say the same thing may come once only. `z` and `Z` are for SELinux, the last group for macOS: both do nothing. */
const MODE_GROUPS: readonly (readonly string[])[] = [
  ["ro", "rw"],
  ["z", "Z"],
  ["nocopy"],
  PROPAGATIONS,
  ["consistent", "cached", "delegated"],
  ["idmap"],
];

function parseMode(text: string): Mode {
  const words = text === "" ? [] : text.split(",");
  const groups = words.map((word) => MODE_GROUPS.findIndex((group) => group.includes(word)));
  if (groups.includes(-1) || new Set(groups).size < groups.length) {
    throw wrong("invalid mode", text, "a mode has words of: ro, rw, nocopy, rprivate, rslave, rshared, ...");
  }
  return {
    readOnly: words.includes("ro"),
    noCopy: words.includes("nocopy"),
    idmap: words.includes("idmap"),
    propagation: words.find(isPropagation) ?? "rprivate",
  };
}

/** `TARGET`, `SOURCE:TARGET` or `SOURCE:TARGET:MODE`. */
export function parseVolume(text: string): MountRequest {
  const what = `invalid volume specification: '${text}'`;
  const parts = text.split(":");
  if (parts.length > 3 || parts.includes("")) {
    throw wrong(what, parts.includes("") ? "empty section between colons" : "it has too many parts");
  }
  const [first = "", second, third = ""] = parts;
  if (second === undefined) {
    return { ...volume(checkTarget(first, what), undefined, parseMode("")), written: text };
  }
  const mode = parseMode(third);
  const target = checkTarget(second, what);
  if (!first.startsWith("/") && !/^\.{1,2}(\/|$)/.test(first)) {
    checkVolumeName(first);
    if (third.split(",").some(isPropagation)) {
      throw wrong("invalid mode", third, "volumes have no propagation");
    }
    return { ...volume(target, first, mode), written: text };
  }
  if (mode.noCopy) throw wrong("invalid mode", third, "nocopy is for volumes");
  const { readOnly, propagation } = mode;
  const source = resolve(first);
  const written = [source, ...parts.slice(1)].join(":");
  const idmap = mode.idmap ? { idmap: true } as const : {};
  return { type: "bind", source, target, readOnly, propagation, createsSource: true, ...idmap, written };
}

function volume(
  target: string,
  name: string | undefined,
  { readOnly, noCopy }: Pick<Mode, "readOnly" | "noCopy">,
): MountRequest {
  return { type: "volume", name, target, readOnly, noCopy };
}

/** Keys of --mount by docker's names for them. */
const KEYS: Readonly<Record<string, string>> = {
  type: "type",
  source: "source",
  src: "source",
  target: "target",
  dst: "target",
  destination: "target",
  readonly: "readonly",
  ro: "readonly",
  "volume-nocopy": "volume-nocopy",
  "bind-propagation": "bind-propagation",
  "tmpfs-size": "tmpfs-size",
  "tmpfs-mode": "tmpfs-mode",
  consistency: "consistency",
  idmap: "idmap",
};
const SWITCHES = ["readonly", "volume-nocopy", "idmap"];
/** For which type a key is; the others are for all. */
const KEY_TYPES: Readonly<Record<string, string>> = {
  "volume-nocopy": "volume",
  "bind-propagation": "bind",
  idmap: "bind",
  "tmpfs-size": "tmpfs",
  "tmpfs-mode": "tmpfs",
};

/** `type=bind,source=/a,target=/b,readonly`. */
export function parseMount(text: string): MountRequest {
  const what = `invalid argument ${JSON.stringify(text)} for "--mount" flag`;
  const fields = readFields(text, what);
  const type = fields.get("type") ?? "volume";
  for (const key of fields.keys()) {
    const only = KEY_TYPES[key];
    if (only !== undefined && only !== type) {
      throw wrong(what, `cannot mix '${key}' with mount type '${type}'`);
    }
  }
  const given = fields.get("target");
  if (given === undefined) throw wrong(what, "target is required");
  const target = checkTarget(given, `invalid mount config for type ${JSON.stringify(type)}`);
  const readOnly = fields.get("readonly") === "true";
  const source = fields.get("source");
  switch (type) {
    case "volume":
      if (source !== undefined) checkVolumeName(source);
      return volume(target, source, { readOnly, noCopy: fields.get("volume-nocopy") === "true" });
    case "bind": {
      if (source === undefined || !source.startsWith("/")) {
        const why = source === undefined
          ? "field Source must not be empty"
          : `invalid mount path: '${source}' mount path must be absolute`;
        throw wrong('invalid mount config for type "bind"', why);
      }
      const propagation = fields.get("bind-propagation") ?? "rprivate";
      if (!isPropagation(propagation)) {
        throw wrong('invalid mount config for type "bind"', `invalid propagation mode: ${propagation}`);
      }
      const idmap = fields.get("idmap") === "true" ? { idmap: true } as const : {};
      return { type, source: resolve(source), target, readOnly, propagation, createsSource: false, ...idmap };
    }
    case "tmpfs": {
      if (source !== undefined) {
        throw wrong('invalid mount config for type "tmpfs"', "field Source must not be specified");
      }
      const size = fields.get("tmpfs-size");
      const mode = fields.get("tmpfs-mode");
      const options = [
        ...(size === undefined ? [] : [`size=${size}`]),
        ...(mode === undefined ? [] : [`mode=${mode}`]),
      ];
      return tmpfs(target, options, readOnly);
    }
    default:
      throw wrong(what, `there is no mount type ${JSON.stringify(type)}`, "there are bind, volume and tmpfs");
  }
}

/** A line of CSV (RFC 4180), as docker reads it: a field with a comma in it stands in double quotes. */
function splitFields(text: string, what: string): string[] {
  const fields: string[] = [];
  const field = /(?:"((?:[^"]|"")*)"|([^",]*))(,|$)/gy;
  for (let match = field.exec(text); match !== null; match = field.exec(text)) {
    fields.push(match[1]?.replaceAll('""', '"') ?? match[2] ?? "");
    if (match[3] === "") return fields;
  }
  throw wrong(what, 'a " is out of place', 'write a field with commas as: "source=/a,b"');
}

function readFields(text: string, what: string): Map<string, string> {
  const fields = new Map<string, string>();
  for (const field of splitFields(text, what)) {
    const at = field.indexOf("=");
    const written = at < 0 ? field : field.slice(0, at);
    const key = Object.hasOwn(KEYS, written.toLowerCase()) ? KEYS[written.toLowerCase()]! : undefined;
    if (key === undefined) {
      throw wrong(
        what,
        at < 0
          ? `invalid field '${field}' must be a key=value pair`
          : `unexpected key '${written}' in '${field}'`,
      );
    }
    const isSwitch = SWITCHES.includes(key);
    if (at < 0 && !isSwitch) throw wrong(what, `invalid field '${field}' must be a key=value pair`);
    const value = at < 0 ? "true" : field.slice(at + 1);
    if (!isSwitch) fields.set(key, value);
    else if (/^(1|t|true)$/i.test(value)) fields.set(key, "true");
    else if (/^(0|f|false)$/i.test(value)) fields.set(key, "false");
    else throw wrong(what, `invalid value for ${written}: ${value}`);
  }
  return fields;
}

/** What docker gives a tmpfs unless it is told otherwise; each has an opposite. */
const TMPFS_DEFAULTS = ["noexec", "nosuid", "nodev"];
const TMPFS_VALUES =
  /^(size=\d+[kmg%]?|mode=[0-7]{3,4}|uid=\d+|gid=\d+|nr_inodes=\d+[kmg]?|nr_blocks=\d+[kmg]?)$/i;

/** `/run:rw,size=64m`. */
export function parseTmpfs(text: string): MountRequest {
  const [path = "", ...rest] = text.split(":");
  const words = rest.join(":").split(",").filter((word) => word !== "");
  const options = words.filter((word) => word !== "ro" && word !== "rw");
  const target = checkTarget(path, `invalid tmpfs ${JSON.stringify(text)}`);
  return { ...tmpfs(target, options, words.includes("ro")), written: text };
}

function tmpfs(target: string, words: readonly string[], readOnly: boolean): MountRequest {
  const opposites = TMPFS_DEFAULTS.map((word) => word.slice(2));
  const unknown = words.filter((word) =>
    !TMPFS_VALUES.test(word) && !TMPFS_DEFAULTS.includes(word) && !opposites.includes(word)
  );
  if (unknown.length > 0) {
    throw wrong(
      "invalid tmpfs option",
      unknown.join(","),
      "there are size, mode, uid, gid, noexec, exec, ...",
    );
  }
  const kept = TMPFS_DEFAULTS.filter((word) =>
    words.findLast((each) => word.endsWith(each)) !== word.slice(2)
  );
  const values = words.filter((word) => word.includes("="));
  const mode = values.some((word) => word.startsWith("mode=")) ? [] : ["mode=1777"];
  return { type: "tmpfs", target, readOnly, options: [...kept, ...mode, ...values] };
}
