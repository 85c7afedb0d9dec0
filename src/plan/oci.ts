import type { RlimitType } from "./rlimits.ts";
import type { IdMapping } from "./step.ts";

/**
 * The container as the OCI runtime specification words it (config.json, version 1.2): the parts that dhow fills in.
 * https://github.com/opencontainers/runtime-spec/blob/main/config.md
 */
export interface Spec {
  readonly ociVersion: "1.2.0";
  readonly process: {
    readonly terminal: boolean;
    readonly user: { readonly uid: number; readonly gid: number; readonly additionalGids: readonly number[] };
    readonly args: readonly string[];
    readonly env: readonly string[];
    readonly cwd: string;
    readonly capabilities: ProcessCapabilities;
    readonly noNewPrivileges: boolean;
    readonly rlimits: readonly {
      readonly type: RlimitType;
      readonly soft: number;
      readonly hard: number;
    }[];
    readonly oomScoreAdj?: number;
  };
  readonly root: { readonly path: string; readonly readonly: boolean };
  readonly hostname: string;
  readonly mounts: readonly Mount[];
  readonly linux: {
    readonly namespaces: readonly { readonly type: OciNamespace }[];
    readonly uidMappings: readonly IdMapping[];
    readonly gidMappings: readonly IdMapping[];
    /** Of its own clocks to the host's; absent without a time namespace (config-linux.md, "Offset for Time Namespace"). */
    readonly timeOffsets?: Readonly<Record<"monotonic" | "boottime", { secs: number; nanosecs: 0 }>>;
    readonly sysctl: Readonly<Record<string, string>>;
    readonly cgroupsPath: string;
    readonly maskedPaths: readonly string[];
    readonly readonlyPaths: readonly string[];
    /** Besides those that every container has. */
    readonly devices: readonly Device[];
    readonly resources: Resources;
  };
}

/** A device that is made in a container (config-linux.md, "Devices"). */
export interface Device {
  readonly path: string;
  readonly type: "b" | "c";
  readonly major: number;
  readonly minor: number;
  /** Permission bits. */
  readonly fileMode: number;
  readonly uid: number;
  readonly gid: number;
}

/** What may be done with devices; of two rules for one, the later holds (config-linux.md, "Allowed Device list"). */
export interface DeviceRule {
  readonly allow: boolean;
  readonly type: "a" | "b" | "c";
  /** Absent for all of them. */
  readonly major?: number;
  readonly minor?: number;
  /** Some of `rwm`: to read, to write, to make (mknod(2)). */
  readonly access: string;
}

/** What bounds what a container uses (config-linux.md, "Control groups"). What is absent is left as it is. */
export interface Resources {
  readonly devices: readonly DeviceRule[];
  readonly memory?: {
    /** In bytes, as the next two; -1 for no limit. */
    readonly limit?: number;
    readonly reservation?: number;
    /** Of memory and swap together. */
    readonly swap?: number;
    readonly swappiness?: number;
    readonly disableOOMKiller?: boolean;
  };
  readonly cpu?: {
    readonly shares?: number;
    /** In microseconds, as the next three. */
    readonly quota?: number;
    readonly period?: number;
    readonly realtimeRuntime?: number;
    readonly realtimePeriod?: number;
    readonly cpus?: string;
    readonly mems?: string;
  };
  readonly pids?: { readonly limit: number };
  readonly blockIO?: {
    /** From 10 to 1000, as those of devices. */
    readonly weight?: number;
    readonly weightDevice?: readonly (DeviceNumber & { readonly weight: number })[];
    /** In bytes or operations a second. */
    readonly throttleReadBpsDevice?: readonly Throttle[];
    readonly throttleWriteBpsDevice?: readonly Throttle[];
    readonly throttleReadIOPSDevice?: readonly Throttle[];
    readonly throttleWriteIOPSDevice?: readonly Throttle[];
  };
}

export interface DeviceNumber {
  readonly major: number;
  readonly minor: number;
}

export type Throttle = DeviceNumber & { readonly rate: number };

export type OciNamespace = "mount" | "uts" | "ipc" | "pid" | "network" | "user" | "cgroup" | "time";

export interface Mount {
  readonly destination: string;
  readonly type: string;
  readonly source: string;
  readonly options: readonly string[];
}

/** The sets of capabilities(7) of the container's processes. */
export interface ProcessCapabilities {
  readonly bounding: readonly string[];
  readonly effective: readonly string[];
  readonly permitted: readonly string[];
  readonly inheritable: readonly string[];
  readonly ambient: readonly string[];
}

/** https://github.com/opencontainers/runtime-spec/blob/main/config-linux.md#seccomp, without what asks for a listener. */
export interface Seccomp {
  readonly defaultAction: SeccompAction;
  readonly defaultErrnoRet?: number;
  readonly architectures: readonly SeccompArchitecture[];
  readonly flags: readonly SeccompFlag[];
  readonly syscalls: readonly SeccompRule[];
}

export interface SeccompRule {
  readonly names: readonly string[];
  readonly action: SeccompAction;
  readonly errnoRet?: number;
  /** All must be met; those of several rules for one call are alternatives. */
  readonly args: readonly SeccompCondition[];
}

/** A comparison of one of a call's arguments, which are unsigned numbers of 64 bits. */
export interface SeccompCondition {
  /** 0 to 5 */
  readonly index: number;
  readonly value: bigint;
  /** With SCMP_CMP_MASKED_EQ what the argument's bits in the mask `value` must be. */
  readonly valueTwo: bigint;
  readonly op: SeccompOperator;
}

export const SECCOMP_ACTIONS = [
  "SCMP_ACT_KILL",
  "SCMP_ACT_KILL_PROCESS",
  "SCMP_ACT_KILL_THREAD",
  "SCMP_ACT_TRAP",
  "SCMP_ACT_ERRNO",
  "SCMP_ACT_TRACE",
  "SCMP_ACT_ALLOW",
  "SCMP_ACT_LOG",
] as const;
export type SeccompAction = typeof SECCOMP_ACTIONS[number];

export const SECCOMP_OPERATORS = [
  "SCMP_CMP_NE",
  "SCMP_CMP_LT",
  "SCMP_CMP_LE",
  "SCMP_CMP_EQ",
  "SCMP_CMP_GE",
  "SCMP_CMP_GT",
  "SCMP_CMP_MASKED_EQ",
] as const;
export type SeccompOperator = typeof SECCOMP_OPERATORS[number];

export const SECCOMP_FLAGS = [
  "SECCOMP_FILTER_FLAG_TSYNC",
  "SECCOMP_FILTER_FLAG_LOG",
  "SECCOMP_FILTER_FLAG_SPEC_ALLOW",
] as const;
export type SeccompFlag = typeof SECCOMP_FLAGS[number];

/** Those whose calls can come here, and those that profiles name for other machines. */
export const SECCOMP_ARCHITECTURES = [
  "SCMP_ARCH_X86_64",
  "SCMP_ARCH_X32",
  "SCMP_ARCH_X86",
  "SCMP_ARCH_AARCH64",
  "SCMP_ARCH_ARM",
  "SCMP_ARCH_LOONGARCH64",
  "SCMP_ARCH_M68K",
  "SCMP_ARCH_MIPS",
  "SCMP_ARCH_MIPS64",
  "SCMP_ARCH_MIPS64N32",
  "SCMP_ARCH_MIPSEL",
  "SCMP_ARCH_MIPSEL64",
  "SCMP_ARCH_MIPSEL64N32",
  "SCMP_ARCH_PARISC",
  "SCMP_ARCH_PARISC64",
  "SCMP_ARCH_PPC",
  "SCMP_ARCH_PPC64",
  "SCMP_ARCH_PPC64LE",
  "SCMP_ARCH_RISCV64",
  "SCMP_ARCH_S390",
  "SCMP_ARCH_S390X",
  "SCMP_ARCH_SH",
  "SCMP_ARCH_SHEB",
] as const;
export type SeccompArchitecture = typeof SECCOMP_ARCHITECTURES[number];
