/** `--memory`, `--device` and their like, with docker's words for what is wrong with them (github.com/docker/cli, opts). */
import { normalize } from "@std/path";
import { parseDeviceRule } from "../limits/devices.ts";
import type { DeviceAmount, Limits } from "../limits/limits.ts";
import type { DeviceRequest, RunOptions } from "../container/options.ts";
import { OptionError } from "../errors.ts";
import type { Option, ParsedOptions } from "./command.ts";
import { parseInteger } from "./integer.ts";
import { parseSize } from "./size.ts";

/** What `update` can change as well. */
export const CHANGEABLE_LIMITS: readonly Option[] = [
  { name: "memory", short: "m", value: "SIZE", help: "how much memory it can have: 512m, 2g" },
  {
    name: "memory-swap",
    value: "SIZE",
    help: "memory and swap together (default: twice --memory); -1: all swap",
  },
  { name: "memory-reservation", value: "SIZE", help: "what is left to it when memory gets scarce" },
  { name: "kernel-memory", value: "SIZE", help: "has no effect any more" },
  { name: "cpus", value: "NUMBER", help: "how many CPUs it can use: 1.5" },
  { name: "cpu-shares", short: "c", value: "NUMBER", help: "its part when CPUs are scarce (usual: 1024)" },
  { name: "cpu-period", value: "MICROSECONDS", help: "what --cpu-quota is a part of (default: 100000)" },
  { name: "cpu-quota", value: "MICROSECONDS", help: "how long it can use a CPU in each period" },
  { name: "cpu-rt-period", value: "MICROSECONDS", help: "the same for real-time scheduling (cgroup v1)" },
  { name: "cpu-rt-runtime", value: "MICROSECONDS", help: "the same for real-time scheduling (cgroup v1)" },
  { name: "cpuset-cpus", value: "LIST", help: "the CPUs it can use: 0-2,4" },
  { name: "cpuset-mems", value: "LIST", help: "the memory nodes it can use: 0,1" },
  { name: "pids-limit", value: "NUMBER", help: "how many processes and threads it can have; -1: any number" },
  { name: "blkio-weight", value: "WEIGHT", help: "its part when disks are busy: 10 to 1000" },
];

export const LIMIT_OPTIONS: readonly Option[] = [
  ...CHANGEABLE_LIMITS,
  { name: "memory-swappiness", value: "NUMBER", help: "how readily it is swapped out: 0 to 100 (cgroup v1)" },
  { name: "oom-kill-disable", help: "at its memory limit let it wait, not be killed (cgroup v1)" },
  { name: "blkio-weight-device", value: "DEVICE:WEIGHT", repeats: true, help: "--blkio-weight for one disk" },
  {
    name: "device-read-bps",
    value: "DEVICE:SIZE",
    repeats: true,
    help: "how much it reads a second: /dev/sda:1m",
  },
  { name: "device-write-bps", value: "DEVICE:SIZE", repeats: true, help: "how much it writes a second" },
  { name: "device-read-iops", value: "DEVICE:NUMBER", repeats: true, help: "how often it reads a second" },
  { name: "device-write-iops", value: "DEVICE:NUMBER", repeats: true, help: "how often it writes a second" },
  { name: "cgroup-parent", value: "CGROUP", help: "make its cgroups in this one" },
  {
    name: "device",
    value: "DEVICE[:PATH[:rwm]]",
    repeats: true,
    help: "give it a device of the host, to read, write and make",
  },
  {
    name: "device-cgroup-rule",
    value: "RULE",
    repeats: true,
    help: "let it use devices by their numbers: 'c 10:200 rwm'",
  },
];

/** Of Limits, what options with whole numbers and sizes are. */
const NUMBERS = {
  "cpu-shares": "cpuShares",
  "cpu-period": "cpuPeriod",
  "cpu-quota": "cpuQuota",
  "cpu-rt-period": "cpuRealtimePeriod",
  "cpu-rt-runtime": "cpuRealtimeRuntime",
} as const;
const SIZES = {
  memory: "memory",
  "memory-reservation": "memoryReservation",
  "kernel-memory": "kernelMemory",
} as const;
const LISTS = { "cpuset-cpus": "cpusetCpus", "cpuset-mems": "cpusetMems" } as const;

/**
 * What the options say of limits. What is 0 is not limited, nor is an empty list, as if it were not given.
 * @param what how errors name the work
 * @returns undefined when they say nothing
 * @throws {OptionError} for what docker's client would refuse
 */
export function readLimits(options: ParsedOptions, what: string): Limits | undefined {
  const reader = new LimitReader(options, what);
  const limits = reader.limits();
  return Object.keys(limits).length === 0 ? undefined : limits;
}

/**
 * Limits that `update` cannot change, and devices.
 * @throws {OptionError} for what docker's client would refuse
 */
export function readDevices(
  options: ParsedOptions,
  what: string,
): Pick<RunOptions, "devices" | "deviceRules" | "cgroupParent"> {
  const reader = new LimitReader(options, what);
  const devices = options.list("device").map((text) => reader.device(text));
  const rules = options.list("device-cgroup-rule").map((text) => reader.deviceRule(text));
  const parent = options.text("cgroup-parent") ?? "";
  return {
    ...(devices.length === 0 ? {} : { devices }),
    ...(rules.length === 0 ? {} : { deviceRules: rules }),
    ...(parent === "" ? {} : { cgroupParent: parent }),
  };
}

type Amounts = readonly [option: string, name: keyof Limits, read: (text: string) => DeviceAmount];

class LimitReader {
  constructor(readonly options: ParsedOptions, readonly what: string) {}

  limits(): Limits {
    const { options } = this;
    const found = new Map<keyof Limits, Limits[keyof Limits]>();
    const add = <Name extends keyof Limits>(name: Name, value: Limits[Name] | undefined) => {
      if (value !== undefined && value !== 0 && value !== "") found.set(name, value);
    };
    for (const [option, name] of Object.entries(NUMBERS)) add(name, this.#integer(option));
    for (const [option, name] of Object.entries(SIZES)) add(name, this.#size(option));
    for (const [option, name] of Object.entries(LISTS)) add(name, options.text(option));
    add("memorySwap", options.text("memory-swap") === "-1" ? -1 : this.#size("memory-swap"));
    add("nanoCpus", this.#cpus());
    add("blkioWeight", this.#weight());
    const pids = this.#integer("pids-limit");
    if (pids !== undefined && pids !== 0) found.set("pidsLimit", Math.max(pids, 0));
    const swappiness = this.#integer("memory-swappiness") ?? -1;
    if (swappiness < -1 || swappiness > 100) {
      throw this.#wrong(`invalid value: ${swappiness}. Valid memory swappiness range is 0-100`);
    }
    if (swappiness !== -1) found.set("memorySwappiness", swappiness);
    if (options.flag("oom-kill-disable")) found.set("oomKillDisable", true);
    const amounts: readonly Amounts[] = [
      ["blkio-weight-device", "blkioWeightDevice", (text) => this.#deviceWeight(text)],
      ["device-read-bps", "blkioDeviceReadBps", (text) => this.#rate("device-read-bps", text, true)],
      ["device-write-bps", "blkioDeviceWriteBps", (text) => this.#rate("device-write-bps", text, true)],
      ["device-read-iops", "blkioDeviceReadIOps", (text) => this.#rate("device-read-iops", text, false)],
      ["device-write-iops", "blkioDeviceWriteIOps", (text) => this.#rate("device-write-iops", text, false)],
    ];
    for (const [option, name, read] of amounts) {
      const devices = options.list(option).map(read);
      if (devices.length > 0) found.set(name, devices);
    }
    return Object.fromEntries(found);
  }

  #wrong(why: string): OptionError {
    return new OptionError({ what: this.what, why });
  }

  #invalid(option: string, text: string, why: string): OptionError {
    const short = LIMIT_OPTIONS.find(({ name }) => name === option)?.short;
    const flag = short === undefined ? `--${option}` : `-${short}, --${option}`;
    return this.#wrong(`invalid argument ${JSON.stringify(text)} for "${flag}" flag: ${why}`);
  }

  #integer(option: string): number | undefined {
    const text = this.options.text(option);
    if (text === undefined) return undefined;
    const value = parseInteger(text);
    if (value === undefined) {
      throw this.#invalid(option, text, `strconv.ParseInt: parsing ${JSON.stringify(text)}: invalid syntax`);
    }
    if (!Number.isSafeInteger(value)) {
      throw this.#invalid(
        option,
        text,
        `strconv.ParseInt: parsing ${JSON.stringify(text)}: value out of range`,
      );
    }
    return value;
  }

  #size(option: string): number | undefined {
    const text = this.options.text(option);
    if (text === undefined) return undefined;
    const size = parseSize(text);
    if (size === undefined) throw this.#invalid(option, text, `invalid size: '${text}'`);
    return size;
  }

  /** In billionths. */
  #cpus(): number | undefined {
    const text = this.options.text("cpus");
    if (text === undefined) return undefined;
    const [, sign = "", whole = "", part = ""] = /^([-+]?)(\d*)(?:\.(\d*))?$/.exec(text) ?? [];
    if (whole + part === "") {
      throw this.#invalid("cpus", text, `failed to parse ${text} as a rational number`);
    }
    const digits = part.replace(/0+$/, "");
    if (digits.length > 9) throw this.#invalid("cpus", text, "value is too precise");
    const value = Number(whole) * 1e9 + Number(digits.padEnd(9, "0"));
    return sign === "-" ? -value : value;
  }

  #weight(): number | undefined {
    const text = this.options.text("blkio-weight");
    if (text === undefined) return undefined;
    const parsing = `strconv.ParseUint: parsing ${JSON.stringify(text)}`;
    const value = /^[-+]/.test(text) ? undefined : parseInteger(text);
    if (value === undefined) throw this.#invalid("blkio-weight", text, `${parsing}: invalid syntax`);
    if (value > 0xffff) throw this.#invalid("blkio-weight", text, `${parsing}: value out of range`);
    return value;
  }

  /** `/dev/sda:1m` */
  #split(option: string, text: string): [path: string, amount: string] {
    const at = text.indexOf(":");
    if (at < 0) throw this.#invalid(option, text, `bad format: ${text}`);
    if (!text.startsWith("/dev/")) {
      throw this.#invalid(option, text, `bad format for device path: ${text}`);
    }
    return [text.slice(0, at), text.slice(at + 1)];
  }

  #deviceWeight(text: string): DeviceAmount {
    const [path, weight] = this.#split("blkio-weight-device", text);
    const amount = Number(weight);
    if (!/^\d+$/.test(weight) || (amount > 0 && (amount < 10 || amount > 1000))) {
      throw this.#invalid("blkio-weight-device", text, `invalid weight for device: ${text}`);
    }
    return { path, amount };
  }

  #rate(option: string, text: string, isSize: boolean): DeviceAmount {
    const [path, rate] = this.#split(option, text);
    const amount = isSize ? parseSize(rate) : /^\d+$/.test(rate) ? Number(rate) : undefined;
    if (amount === undefined || !Number.isSafeInteger(amount)) {
      const [unit, units] = isSize ? ["[<unit>]", " Unit is optional and can be kb, mb, or gb"] : ["", ""];
      throw this.#invalid(
        option,
        text,
        `invalid rate for device: ${text}. The correct format is <device-path>:<number>${unit}. Number must be a positive integer${
          units === "" ? "" : `.${units}`
        }`,
      );
    }
    return { path, amount };
  }

  /** `DEVICE`, `DEVICE:PATH`, `DEVICE:rw`, `DEVICE:PATH:rw` */
  device(text: string): DeviceRequest {
    const [hostPath = "", second, third, ...more] = text.split(":");
    if (more.length > 0 || hostPath === "") throw this.#wrong(`bad format for path: ${text}`);
    if (third !== undefined && !isAccess(third)) throw this.#wrong(`bad mode specified: ${third}`);
    const isSecondAccess = third === undefined && second !== undefined && isAccess(second);
    const path = second === undefined || isSecondAccess ? hostPath : second;
    if (!path.startsWith("/")) throw this.#wrong(`${path} is not an absolute path`);
    return { hostPath, path: normalize(path), access: third ?? (isSecondAccess ? second : "rwm") };
  }

  deviceRule(text: string): string {
    if (parseDeviceRule(text) !== undefined) return text;
    throw this.#invalid("device-cgroup-rule", text, `invalid device cgroup format '${text}'`);
  }
}

/** Some of r, w and m, each once. */
const isAccess = (text: string) => /^(?!.*(.).*\1)[rwm]+$/.test(text);
