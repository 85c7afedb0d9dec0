/** Where what a container has mounted lies on the host. */
import type { Mount } from "../plan/oci.ts";
import { UsageError } from "../errors.ts";
import { type Paths, volumeData } from "../state/paths.ts";
import { readIfThere } from "../state/read.ts";
import { bindAttributes, type BindMount, type ContainerMount, isBind, type VolumeMount } from "./mounts.ts";

export interface MountSources {
  /** In the words of the OCI runtime specification. */
  readonly mounts: Mount[];
  /** Folders that a start makes if they are not there. */
  readonly folders: string[];
}

/** @throws {UsageError} in docker's words, when there is nothing to be mounted, or it is not shared as it would have to be */
export function findSources(mounts: readonly ContainerMount[], paths: Paths): MountSources {
  const folders: string[] = [];
  const found = mounts.map((mount): Mount => {
    const access = mount.readOnly ? ["ro"] : [];
    switch (mount.type) {
      case "tmpfs":
        return {
          destination: mount.target,
          type: "tmpfs",
          source: "tmpfs",
          options: [...mount.options, ...access],
        };
      case "volume": {
        if (mount.options !== undefined && isBind(mount.options)) return bindOf(mount);
        const source = volumeData(paths, mount.name);
        folders.push(source);
        return {
          destination: mount.target,
          type: "bind",
          source,
          options: ["rbind", "rprivate", "idmap", ...access],
        };
      }
      case "bind": {
        const kind = kindOf(mount.source);
        if (kind === undefined) {
          if (!mount.createsSource) throw missing(mount);
          folders.push(mount.source);
        }
        assertShared(mount);
        // a file has no mounts in it
        const bind = kind === "file" ? "bind" : "rbind";
        const options = [bind, mount.propagation, ...(mount.idmap === true ? ["idmap"] : []), ...access];
        return { destination: mount.target, type: "bind", source: mount.source, options };
      }
    }
  });
  return { mounts: found, folders };
}

/** Folders of volumes that get what the image has in their place, by those places. */
export function volumesToFill(mounts: readonly ContainerMount[], paths: Paths): Record<string, string> {
  return Object.fromEntries(
    mounts.flatMap((mount) =>
      mount.type === "volume" && !mount.noCopy ? [[mount.target, volumeData(paths, mount.name)] as const] : []
    ),
  );
}

function kindOf(path: string): "file" | "directory" | undefined {
  try {
    // the user's own path: links of the host are followed
    return Deno.statSync(path).isDirectory ? "directory" : "file";
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    const why = error instanceof Error ? error.message : String(error);
    throw new UsageError({ what: `cannot mount ${JSON.stringify(path)}`, why, cause: error });
  }
}

/** A volume that is another path of the host. */
function bindOf({ name, target, readOnly, options = {} }: VolumeMount): Mount {
  const { device = "" } = options;
  const kind = kindOf(device);
  if (kind === undefined) {
    throw new UsageError({
      what: `error while mounting volume ${JSON.stringify(name)}`,
      why: `failed to mount local volume: mount ${device}: no such file or directory`,
      hint: "make it first",
    });
  }
  const attributes = new Set([...bindAttributes(options), ...(readOnly ? ["ro"] : [])]);
  const bind = kind === "file" ? "bind" : "rbind";
  return { destination: target, type: "bind", source: device, options: [bind, "rprivate", ...attributes] };
}

function missing({ source }: BindMount): UsageError {
  return new UsageError({
    what: 'invalid mount config for type "bind"',
    why: `bind source path does not exist: ${source}`,
    hint: "make it first, or use --volume, which makes a folder",
  });
}

/** What is mounted later can only appear in the container if the host's mount hands it on. */
function assertShared({ source, propagation }: BindMount): void {
  if (propagation === "private" || propagation === "rprivate") return;
  const path = realPath(source);
  if (path === undefined) return;
  const { point, tags } = mountOf(path);
  const isSlave = propagation === "slave" || propagation === "rslave";
  if (tags.some((tag) => tag.startsWith("shared:") || (isSlave && tag.startsWith("master:")))) return;
  throw new UsageError({
    what: `path ${source} is mounted on ${point}`,
    why: `but it is not a shared${isSlave ? " or slave" : ""} mount`,
    hint: `make it one with: mount --make-shared ${point}`,
  });
}

function realPath(path: string): string | undefined {
  try {
    return Deno.realPathSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** The mount that a path lies in, and its optional fields (proc_pid_mountinfo(5)). */
function mountOf(path: string): { point: string; tags: string[] } {
  let found = { point: "", tags: [] as string[] };
  for (const line of (readIfThere("/proc/self/mountinfo") ?? "").split("\n")) {
    const [before = ""] = line.split(" - ");
    const [, , , , written = "", , ...tags] = before.split(" ");
    const point = written.replace(/\\([0-7]{3})/g, (_, digits) => String.fromCharCode(parseInt(digits, 8)));
    const contains = point === "/" || path === point || path.startsWith(`${point}/`);
    // of several on one point the last lies on top
    if (point !== "" && contains && point.length >= found.point.length) found = { point, tags };
  }
  return found;
}
