/** What a container has mounted besides what every container has: as it was asked for, and as it is kept on record. */

/** How mounts made later in one place appear in the other (mount_namespaces(7), SHARED SUBTREES). */
export const PROPAGATIONS = ["private", "rprivate", "shared", "rshared", "slave", "rslave"] as const;
export type Propagation = typeof PROPAGATIONS[number];

interface Target {
  /** An absolute path in the container, without `..`. */
  readonly target: string;
  readonly readOnly: boolean;
  /** As -v or --tmpfs has it, with absolute paths: `/a:/b:ro`. Absent for --mount, and for what the image asks for. */
  readonly written?: string;
}

/** A file or folder of the host. */
export interface BindMount extends Target {
  readonly type: "bind";
  /** An absolute path. */
  readonly source: string;
  readonly propagation: Propagation;
  /** Whether a folder is made if nothing is there: docker does for -v, and not for --mount. */
  readonly createsSource: boolean;
  /** Whether its files have the container's ids there; absent for no. */
  readonly idmap?: true;
}

export interface TmpfsMount extends Target {
  readonly type: "tmpfs";
  /** Of the mount, and of the file system: `noexec`, `size=64m`. */
  readonly options: readonly string[];
}

interface VolumeTarget extends Target {
  readonly type: "volume";
  /** Whether it stays empty, whatever the image has in that place. */
  readonly noCopy: boolean;
}

/** A mount as it was asked for. */
export type MountRequest =
  | BindMount
  | TmpfsMount
  /** `name`: undefined for a volume that gets a name of its own */
  | (VolumeTarget & { readonly name: string | undefined });

/** `type`, `device` and `o`, as they were given; empty for a volume that is a folder. */
export type VolumeOptions = Readonly<Record<string, string>>;

/** A volume that a container has. */
export interface VolumeMount extends VolumeTarget {
  readonly name: string;
  /** Absent for a folder of its own. */
  readonly options?: VolumeOptions;
}

/** A mount that a container has. */
export type ContainerMount = BindMount | TmpfsMount | VolumeMount;

/** The words of a volume's `o`. */
export const mountWords = ({ o = "" }: VolumeOptions) => o.split(",").filter((word) => word !== "");

/** Whether a volume is another path of the host. */
export function isBind(options: VolumeOptions): boolean {
  return mountWords(options).some((word) => word === "bind" || word === "rbind");
}

/** Whether something is mounted on a volume's folder while containers have it. */
export function isMounted(options: VolumeOptions | undefined): options is VolumeOptions {
  return options !== undefined && options["device"] !== undefined && !isBind(options);
}

/** Attributes of a bind, as the OCI runtime specification words them. */
export function bindAttributes(options: VolumeOptions): string[] {
  return mountWords(options).filter((word) => ["ro", "nosuid", "nodev", "noexec"].includes(word));
}

/**
 * What was asked for, what comes from other containers, and the image's own VOLUMEs, as far as nothing is mounted there before them.
 * @param newName names a volume that nobody has named
 * @param inherited of other containers
 */
export function settleMounts(
  requests: readonly MountRequest[],
  imageVolumes: readonly string[],
  newName: () => string,
  inherited: readonly ContainerMount[] = [],
): { mounts: ContainerMount[]; anonymous: string[] } {
  const anonymous: string[] = [];
  const name = () => {
    const made = newName();
    anonymous.push(made);
    return made;
  };
  const others = inherited.filter(({ target }) => !requests.some((request) => request.target === target));
  const mounts = [
    ...others,
    ...requests.map((request): ContainerMount =>
      request.type === "volume" ? { ...request, name: request.name ?? name() } : request
    ),
  ];
  for (const path of imageVolumes) {
    const target = normalPath(path);
    // an image may say anything
    if (target === undefined || target === "/" || mounts.some((mount) => mount.target === target)) continue;
    mounts.push({ type: "volume", name: name(), target, readOnly: false, noCopy: false });
  }
  return { mounts, anonymous };
}

/** An absolute path without `.`, `..` and double slashes; undefined for what is not absolute. */
export function normalPath(path: string): string | undefined {
  if (!path.startsWith("/") || path.includes("\0")) return undefined;
  const names: string[] = [];
  for (const name of path.split("/")) {
    if (name === "..") names.pop();
    else if (name !== "" && name !== ".") names.push(name);
  }
  return `/${names.join("/")}`;
}
