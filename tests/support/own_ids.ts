/** Containers with ids of their own, on hosts that show files with other owners, and on those that cannot. */
import { assertSuccess } from "./containers.ts";
import type { Host } from "./host.ts";

/** How files become a container's (IdMethod of src/plan/step.ts). */
export const METHODS = ["mounts", "copy"] as const;
export type Method = typeof METHODS[number];

const REMEMBER = `import sqlite3, sys
database = sqlite3.connect("/var/lib/dhow/dhow.db")
database.execute("INSERT OR REPLACE INTO host_facts (key, value) VALUES ('idmapped mounts', ?)", sys.argv[1:])
database.commit()`;

/**
 * Makes dhow believe, on a host, that it has found out how files become a container's. It is written from within the host: by a path
 * through /proc/PID/root SQLite would come to the database of the machine that the test runs on, since it follows links by itself.
 */
export async function useMethod(host: Host, method: Method): Promise<void> {
  assertSuccess(await host.dhow(["images"])); // to have a database
  const bootId = (await Deno.readTextFile("/proc/sys/kernel/random/boot_id")).trim();
  const finding = JSON.stringify({ bootId, obstacle: method === "mounts" ? null : "the test wants it so" });
  await host.succeed(["python3", "-c", REMEMBER, finding]);
}

/** The host's ids of a container, as inspect tells of them: where they begin, and how many there are. */
export async function rangeOf(host: Host, container: string): Promise<{ start: number; size: number }> {
  const format = "{{index .HostConfig.IDMappings.UidMap 0}}";
  const { stdout } = await host.dhow(["inspect", "-f", format, container]);
  const [inside, start, size] = stdout.trim().split(":").map(Number);
  if (inside !== 0 || start === undefined || size === undefined) throw new Error(`no mapping: ${stdout}`);
  return { start, size };
}
