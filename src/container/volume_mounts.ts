/**
 * Volumes that are file systems of their own are mounted on the host when the first container that has them starts, and unmounted
 * when the last one has ended, so that all of them have the same. Who uses one is on record before it is mounted; both are done under
 * a lock on the volume's folder.
 */
import { dirname } from "@std/path";
import { describeErrno, SystemCallError } from "../../ffi/errno.ts";
import { libcCall } from "../../ffi/table.ts";
import { HostError } from "../errors.ts";
import type { Database } from "../state/database.ts";
import { type Paths, volumeData } from "../state/paths.ts";
import { readIfThere } from "../state/read.ts";
import type { VolumeOptions } from "./mounts.ts";
import { deviceMount } from "./volume_options.ts";
import { detach, makeVolumeFolder } from "./volumes.ts";

/**
 * Mounts the volumes that a container has claimed (volume_records.ts), as far as that is not done.
 * @throws {HostError} when one cannot be mounted
 */
export async function mountVolumes(database: Database, paths: Paths, container: string): Promise<void> {
  const volumes = database.all<{ name: string; options: string }>(
    "SELECT name, options FROM volume_mounts JOIN volumes ON name = volume WHERE container = ?",
    container,
  );
  for (const { name, options } of volumes) {
    makeVolumeFolder(paths, name);
    const data = volumeData(paths, name);
    using folder = Deno.openSync(dirname(data));
    await folder.lock(true);
    if (!isMountPoint(data)) await mount(name, data, JSON.parse(options));
  }
}

async function mount(name: string, folder: string, options: VolumeOptions): Promise<void> {
  const { device, type, flags, data } = await withAddress(name, deviceMount(options));
  try {
    libcCall("mount", device, folder, type, flags, data);
  } catch (error) {
    if (!(error instanceof SystemCallError)) throw error;
    throw new HostError({
      what: `error while mounting volume ${JSON.stringify(name)}`,
      why: `failed to mount local volume: mount ${device} (${type}${data === "" ? "" : `, ${data}`}): ${
        describeErrno(error.errno)
      }`,
      hint: "see the last lines of: dmesg",
      cause: error,
    });
  }
}

/** The kernel's nfs and cifs want an address where a user may give a name (nfs(5)). */
async function withAddress<Mount extends { type: string; data: string }>(
  volume: string,
  wanted: Mount,
): Promise<Mount> {
  const name = /(?:^|,)addr=([^,]*)/.exec(wanted.data)?.[1];
  const isAddress = name === undefined || /^[\d.]+$/.test(name) || name.includes(":");
  if (isAddress || !/^(nfs4?|cifs)$/.test(wanted.type)) return wanted;
  try {
    const [address] = await Deno.resolveDns(name, "A");
    if (address === undefined) throw new Error("it has no address");
    return { ...wanted, data: wanted.data.replace(`addr=${name}`, `addr=${address}`) };
  } catch (error) {
    throw new HostError({
      what: `error while mounting volume ${JSON.stringify(volume)}`,
      why: `cannot find the address of ${JSON.stringify(name)}: ${
        error instanceof Error ? error.message : error
      }`,
      hint: "give an address",
      cause: error,
    });
  }
}

/**
 * Unmounts what no running container has any more.
 * @param container one that does not run any more
 * @param folders of the volumes that it had
 */
export async function releaseVolumes(
  database: Database,
  container: string,
  folders: readonly string[],
): Promise<void> {
  for (const data of folders) {
    using folder = openIfThere(dirname(data));
    if (folder === undefined) continue;
    await folder.lock(true);
    const volume = dirname(data).split("/").at(-1) ?? "";
    const isUsed = database.transaction(() => {
      database.run("DELETE FROM volume_mounts WHERE volume = ? AND container = ?", volume, container);
      return database.get("SELECT 1 FROM volume_mounts WHERE volume = ?", volume) !== undefined;
    });
    if (!isUsed) detach(data);
  }
}

function openIfThere(path: string): Deno.FsFile | undefined {
  try {
    return Deno.openSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** By proc_pid_mountinfo(5): what is mounted may lie on the same device as the folder. */
function isMountPoint(folder: string): boolean {
  const path = folder.replace(/[ \t\n\\]/g, (char) => `\\${char.charCodeAt(0).toString(8).padStart(3, "0")}`);
  return (readIfThere("/proc/thread-self/mountinfo") ?? "").split("\n").some((line) =>
    line.split(" ")[4] === path
  );
}
