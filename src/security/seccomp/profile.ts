/**
 * Profiles in docker's form (moby's profiles/seccomp), which is that of linux.seccomp in the OCI runtime specification and
 * conditions on the container and its host; with what containers/common adds to it.
 */
import { errnoByName } from "../../../ffi/errno.ts";
import {
  type Seccomp,
  SECCOMP_ACTIONS,
  SECCOMP_ARCHITECTURES,
  SECCOMP_FLAGS,
  SECCOMP_OPERATORS,
  type SeccompAction,
  type SeccompArchitecture,
  type SeccompCondition,
  type SeccompFlag,
  type SeccompRule,
} from "../../plan/oci.ts";
import { isAtLeast, type KernelVersion } from "../../kernel_release.ts";
import { takesErrno } from "./actions.ts";
import { ProfileValue } from "./json.ts";

/** When a rule is in the profile, or is not. */
export interface ProfileFilter {
  readonly caps: readonly string[];
  /** Go's names: amd64, arm64. */
  readonly arches: readonly string[];
  readonly minKernel?: KernelVersion;
}

export interface ProfileRule extends SeccompRule {
  /** All of its capabilities, one of its architectures. */
  readonly includes?: ProfileFilter;
  /** One of them. */
  readonly excludes?: ProfileFilter;
}

export interface Profile {
  readonly defaultAction: SeccompAction;
  readonly defaultErrnoRet?: number;
  /** An architecture of the machine, and those that come with it. */
  readonly archMap: readonly (readonly SeccompArchitecture[])[];
  readonly architectures: readonly SeccompArchitecture[];
  readonly flags: readonly SeccompFlag[];
  readonly syscalls: readonly ProfileRule[];
}

/** MAX_ERRNO: the kernel makes larger ones to this. */
const LARGEST_ERRNO = 4095n;

const LARGEST_ARGUMENT = 2n ** 64n - 1n;

/**
 * @param file its name, for messages
 * @throws {UsageError} which says what is wrong, and where
 */
export function parseProfile(text: string, file: string): Profile {
  const whole = ProfileValue.parse(text, file);
  const members = whole.object([
    "defaultAction",
    "defaultErrno",
    "defaultErrnoRet",
    "archMap",
    "architectures",
    "flags",
    "listenerPath",
    "listenerMetadata",
    "syscalls",
  ]);
  for (const listener of [members.listenerPath, members.listenerMetadata]) {
    if (listener.isThere) {
      listener.wrong("is for SCMP_ACT_NOTIFY, and dhow asks no other program about calls");
    }
  }
  const defaultAction = readAction(members.defaultAction);
  const archMap = members.archMap.list().map((value) => {
    const { architecture, subArchitectures } = value.object(["architecture", "subArchitectures"]);
    return [architecture, ...subArchitectures.list()].map((name) => name.oneOf(SECCOMP_ARCHITECTURES));
  });
  const architectures = members.architectures.list().map((name) => name.oneOf(SECCOMP_ARCHITECTURES));
  if (archMap.length > 0 && architectures.length > 0) {
    members.architectures.wrong("is there, and archMap as well; only one of them can be");
  }
  return {
    defaultAction,
    ...readErrno("defaultErrnoRet", members.defaultErrnoRet, members.defaultErrno, defaultAction),
    archMap,
    architectures,
    flags: members.flags.list().map((flag) => flag.oneOf(SECCOMP_FLAGS)),
    syscalls: members.syscalls.list().map(readRule),
  };
}

function readAction(value: ProfileValue): SeccompAction {
  if (value.isThere && value.text() === "SCMP_ACT_NOTIFY") {
    value.wrong("is SCMP_ACT_NOTIFY, and dhow asks no other program about calls");
  }
  return value.oneOf(SECCOMP_ACTIONS);
}

/** The errno of an action, as docker has it by its number, and containers/common by its name as well, which counts. */
function readErrno<Name extends string>(
  name: Name,
  number: ProfileValue,
  word: ProfileValue,
  action: SeccompAction,
): Partial<Readonly<Record<Name, number>>> {
  const given = word.isThere && word.text() !== "" ? word : number;
  if (!given.isThere) return {};
  if (!takesErrno(action)) {
    given.wrong(`is for SCMP_ACT_ERRNO and SCMP_ACT_TRACE, and the action is ${action}`);
  }
  const errno = given === word ? errnoByName(word.text()) : Number(number.whole(LARGEST_ERRNO));
  if (errno === undefined) return word.wrong(`is ${JSON.stringify(word.text())}, which is no errno`);
  return { [name]: errno } as Record<Name, number>;
}

function readRule(value: ProfileValue): ProfileRule {
  const members = value.object([
    "name",
    "names",
    "action",
    "errno",
    "errnoRet",
    "args",
    "includes",
    "excludes",
  ]);
  const { name, names, includes, excludes } = members;
  const hasName = name.isThere && name.text() !== "";
  if (hasName && names.list().length > 0) name.wrong("is there, and names as well; only one of them can be");
  const action = readAction(members.action);
  return {
    names: hasName ? [name.text()] : names.list().map((name) => name.text()),
    action,
    ...readErrno("errnoRet", members.errnoRet, members.errno, action),
    args: members.args.list().map(readCondition),
    ...(includes.isThere ? { includes: readFilter(includes) } : {}),
    ...(excludes.isThere ? { excludes: readFilter(excludes) } : {}),
  };
}

function readCondition(value: ProfileValue): SeccompCondition {
  const { index, value: first, valueTwo, op } = value.object(["index", "value", "valueTwo", "op"]);
  return {
    index: Number(index.whole(5n)),
    value: first.whole(LARGEST_ARGUMENT),
    valueTwo: valueTwo.isThere ? valueTwo.whole(LARGEST_ARGUMENT) : 0n,
    op: op.oneOf(SECCOMP_OPERATORS),
  };
}

function readFilter(value: ProfileValue): ProfileFilter {
  const { caps, arches, minKernel } = value.object(["caps", "arches", "minKernel"]);
  return {
    caps: caps.list().map((name) => {
      const text = name.text();
      return /^CAP_[A-Z_]+$/.test(text)
        ? text
        : name.wrong(`is ${JSON.stringify(text)}, which is no capability`);
    }),
    arches: arches.list().map((name) => name.text()),
    ...(minKernel.isThere && minKernel.text() !== "" ? { minKernel: readVersion(minKernel) } : {}),
  };
}

function readVersion(value: ProfileValue): KernelVersion {
  const [, version, revision] = /^(\d{1,5})\.(\d{1,5})$/.exec(value.text()) ?? [];
  if (revision === undefined) {
    return value.wrong(`is ${JSON.stringify(value.text())}, and must be like "4.8"`);
  }
  return [Number(version), Number(revision)];
}

/** What a profile's conditions are asked of. */
export interface Circumstances {
  /** Of the container's bounding set. */
  readonly capabilities: readonly string[];
  /** Deno's name. */
  readonly cpu: "x86_64" | "aarch64";
  readonly kernel: KernelVersion;
}

/** What docker's profiles call the CPUs, and libseccomp. */
const CPUS = {
  x86_64: { arch: "amd64", architecture: "SCMP_ARCH_X86_64" },
  aarch64: { arch: "arm64", architecture: "SCMP_ARCH_AARCH64" },
} as const;

/** The profile of one container: the rules whose conditions are met. */
export function resolveProfile(profile: Profile, circumstances: Circumstances): Seccomp {
  const { archMap, syscalls, architectures, ...rest } = profile;
  const { architecture } = CPUS[circumstances.cpu];
  return {
    ...rest,
    architectures: archMap.find(([name]) => name === architecture) ?? architectures,
    syscalls: syscalls.filter((rule) => applies(rule, circumstances))
      .map(({ includes: _includes, excludes: _excludes, ...rule }) => rule),
  };
}

function applies({ includes, excludes }: ProfileRule, { capabilities, cpu, kernel }: Circumstances): boolean {
  const { arch } = CPUS[cpu];
  const has = (name: string) => capabilities.includes(name);
  if (
    excludes !== undefined &&
    (excludes.arches.includes(arch) || excludes.caps.some(has) ||
      excludes.minKernel !== undefined && isAtLeast(kernel, excludes.minKernel))
  ) return false;
  return includes === undefined ||
    (includes.arches.length === 0 || includes.arches.includes(arch)) && includes.caps.every(has) &&
      (includes.minKernel === undefined || isAtLeast(kernel, includes.minKernel));
}
