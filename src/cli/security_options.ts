/** What a container's programs may do: docker's options. */
import { describeErrno, errnoOf } from "../../ffi/errno.ts";
import type { SecurityOptions } from "../container/options.ts";
import { OptionError } from "../errors.ts";
import { namesOfCapabilities } from "../security/capabilities.ts";
import { readIfThere } from "../state/read.ts";
import type { Option, ParsedOptions } from "./command.ts";
import type { Wrong } from "./run_options.ts";

export const SECURITY_OPTIONS: readonly Option[] = [
  { name: "cap-add", value: "CAPABILITY", repeats: true, help: "let it have this capability, or ALL" },
  {
    name: "cap-drop",
    value: "CAPABILITY",
    repeats: true,
    help: "do not let it have this capability, or ALL",
  },
  {
    name: "privileged",
    help: "all capabilities and devices, no filter of system calls, nothing hidden, /sys to write to",
  },
  {
    name: "security-opt",
    value: "OPTION",
    repeats: true,
    help:
      "no-new-privileges; seccomp=FILE, a profile in docker's form; seccomp=unconfined, no filter; systempaths=unconfined, nothing hidden",
  },
];

/** @returns undefined when none was given */
export function readSecurity(options: ParsedOptions, wrong: Wrong): SecurityOptions | undefined {
  const all = options.list("security-opt");
  const [capAdd, capDrop] = [options.list("cap-add"), options.list("cap-drop")];
  const privileged = options.flag("privileged");
  if (!privileged && all.length + capAdd.length + capDrop.length === 0) return undefined;
  for (const names of [capAdd, capDrop]) namesOfCapabilities(names);
  const given = all.filter((text) => text !== SYSTEM_PATHS);
  let noNewPrivileges = false;
  let seccomp: SecurityOptions["seccomp"] = "default";
  for (const text of given) {
    const [, name = text, value] = /^([^=:]*)[=:](.*)$/s.exec(text) ?? [];
    if (name === "no-new-privileges") noNewPrivileges = readSwitch(value, text, wrong);
    else if (name === "seccomp" && value !== undefined) seccomp = readProfile(value);
    else if ((name === "apparmor" || name === "label") && value !== undefined) {
      requireNoModule(name, value, wrong);
    } else {
      throw wrong(
        `invalid --security-opt: ${JSON.stringify(text)}`,
        "there are no-new-privileges, seccomp=, systempaths=unconfined, apparmor= and label=",
      );
    }
  }
  return {
    capAdd,
    capDrop,
    privileged,
    noNewPrivileges,
    ...(given.length < all.length ? { systemPaths: "unconfined" } : {}),
    seccomp,
    given,
  };
}

/** docker's client takes it away, and says in other words what it means. */
const SYSTEM_PATHS = "systempaths=unconfined";

/** Where the kernel has these modules switched on: it says so there. */
const MODULES = {
  apparmor: {
    name: "AppArmor",
    isOn: () => readIfThere("/sys/module/apparmor/parameters/enabled")?.trim() === "Y",
    none: "unconfined",
  },
  label: {
    name: "SELinux",
    isOn: () => readIfThere("/sys/fs/selinux/enforce") !== undefined,
    none: "disable",
  },
} as const;

/**
 * As docker, dhow takes any profile and label where the host has no use for them. Where it has, what cannot be set is
 * refused.
 */
function requireNoModule(option: keyof typeof MODULES, value: string, wrong: Wrong): void {
  const { name, isOn, none } = MODULES[option];
  if (value === none || !isOn()) return;
  throw wrong(
    `--security-opt ${option}=${value} is not possible`,
    `this host has ${name} on, and dhow gives containers no profiles and no labels; leave it out`,
  );
}

/** As Go's strconv.ParseBool. */
function readSwitch(value: string | undefined, text: string, wrong: Wrong): boolean {
  if (value === undefined || /^(1|t|T|TRUE|true|True)$/.test(value)) return true;
  if (/^(0|f|F|FALSE|false|False)$/.test(value)) return false;
  throw wrong(
    `invalid --security-opt: ${JSON.stringify(text)}`,
    "write: no-new-privileges or no-new-privileges=false",
  );
}

/**
 * docker's client reads the file, too: a container keeps the profile that it was made with.
 * @throws {OptionError} when it cannot be read
 */
function readProfile(value: string): SecurityOptions["seccomp"] {
  if (value === "unconfined") return value;
  if (value === "builtin") return "default";
  try {
    return { file: value, profile: Deno.readTextFileSync(value) };
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === undefined) throw error;
    throw new OptionError({
      what: `cannot read the seccomp profile ${JSON.stringify(value)}`,
      why: describeErrno(errno),
      cause: error,
    });
  }
}
