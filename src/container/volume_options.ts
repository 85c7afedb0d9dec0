/** What a volume is made of, if not a folder of its own: docker's local driver (docker/volume/local). */
import {
  MS_DIRSYNC,
  MS_MANDLOCK,
  MS_NOATIME,
  MS_NODEV,
  MS_NODIRATIME,
  MS_NOEXEC,
  MS_NOSUID,
  MS_RDONLY,
  MS_RELATIME,
  MS_STRICTATIME,
  MS_SYNCHRONOUS,
} from "../../ffi/constants.ts";
import { UsageError } from "../errors.ts";
import { isBind, mountWords, type VolumeOptions } from "./mounts.ts";

const KNOWN = ["device", "o", "type"];

/**
 * Checks what `volume create --opt` was given.
 * @param texts `NAME=VALUE` each
 * @throws {UsageError} in docker's words
 */
export function parseVolumeOptions(volume: string, texts: readonly string[]): VolumeOptions {
  const wrong = (why: string, hint?: string) =>
    new UsageError({ what: `create ${volume}`, why, ...(hint === undefined ? {} : { hint }) });
  const options: Record<string, string> = {};
  for (const text of texts) {
    const at = text.indexOf("=");
    const name = at < 0 ? text : text.slice(0, at);
    if (name === "size") {
      throw wrong(
        "quota size requested but no quota support",
        "a tmpfs takes its size in o: --opt o=size=1g",
      );
    }
    if (!KNOWN.includes(name)) throw wrong(`invalid option: ${JSON.stringify(name)}`);
    options[name] = at < 0 ? "" : text.slice(at + 1);
  }
  if (texts.length === 0) return options;
  for (const name of ["device", "type"]) {
    if (!options[name]) throw wrong(`missing required option: ${JSON.stringify(name)}`);
  }
  if (isBind(options) && !options["device"]?.startsWith("/")) {
    throw wrong("the device of a bind is an absolute path");
  }
  return options;
}

/** Words of fstab(5) that are flags of mount(2), and those that take one back; all others are the file system's. */
const FLAGS: Readonly<Record<string, number>> = {
  ro: MS_RDONLY,
  nosuid: MS_NOSUID,
  nodev: MS_NODEV,
  noexec: MS_NOEXEC,
  sync: MS_SYNCHRONOUS,
  mand: MS_MANDLOCK,
  dirsync: MS_DIRSYNC,
  noatime: MS_NOATIME,
  nodiratime: MS_NODIRATIME,
  relatime: MS_RELATIME,
  strictatime: MS_STRICTATIME,
};
const OPPOSITES: Readonly<Record<string, number>> = {
  rw: MS_RDONLY,
  suid: MS_NOSUID,
  dev: MS_NODEV,
  exec: MS_NOEXEC,
  async: MS_SYNCHRONOUS,
  nomand: MS_MANDLOCK,
  atime: MS_NOATIME,
  diratime: MS_NODIRATIME,
  norelatime: MS_RELATIME,
  nostrictatime: MS_STRICTATIME,
  defaults: 0,
};

/** What mount(2) takes. */
export interface DeviceMount {
  readonly device: string;
  readonly type: string;
  readonly flags: number;
  readonly data: string;
}

export function deviceMount(options: VolumeOptions): DeviceMount {
  let flags = 0;
  const data: string[] = [];
  for (const word of mountWords(options)) {
    if (Object.hasOwn(FLAGS, word)) flags |= FLAGS[word]!;
    else if (Object.hasOwn(OPPOSITES, word)) flags &= ~OPPOSITES[word]!;
    else data.push(word);
  }
  return { device: options["device"] ?? "", type: options["type"] ?? "", flags, data: data.join(",") };
}
