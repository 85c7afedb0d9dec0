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
    readonly sysctl: Readonly<Record<string, string>>;
    readonly cgroupsPath: string;
    readonly maskedPaths: readonly string[];
    readonly readonlyPaths: readonly string[];
  };
}

export type OciNamespace = "mount" | "uts" | "ipc" | "pid" | "network" | "user" | "cgroup";

export interface Mount {
  readonly destination: string;
  readonly type: string;
  readonly source: string;
  readonly options: readonly string[];
}
