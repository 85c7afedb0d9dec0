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
    readonly rlimits: readonly {
      readonly type: "RLIMIT_NOFILE";
      readonly soft: number;
      readonly hard: number;
    }[];
  };
  readonly root: { readonly path: string };
  readonly hostname: string;
  readonly mounts: readonly Mount[];
  readonly linux: {
    readonly namespaces: readonly { readonly type: OciNamespace }[];
    readonly uidMappings: readonly IdMapping[];
    readonly gidMappings: readonly IdMapping[];
    readonly sysctl: Readonly<Record<string, string>>;
    readonly cgroupsPath: string;
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

export type OciNamespace = "mount" | "uts" | "ipc" | "pid" | "network" | "user" | "cgroup";

export interface Mount {
  readonly destination: string;
  readonly type: string;
  readonly source: string;
  readonly options: readonly string[];
}
