/** Containers with ids of their own, on hosts that show files with other owners, and on those that cannot. */
import { DatabaseSync } from "node:sqlite";
import type { Host } from "./host.ts";

/** How files become a container's (IdMethod of src/plan/step.ts). */
export const METHODS = ["mounts", "copy"] as const;
export type Method = typeof METHODS[number];

/** Makes dhow believe, on a host, that it has found out how files become a container's. */
export async function useMethod(host: Host, method: Method): Promise<void> {
  const path = host.path("/var/lib/dhow/dhow.db");
  const bootId = (await Deno.readTextFile("/proc/sys/kernel/random/boot_id")).trim();
  const finding = JSON.stringify({ bootId, obstacle: method === "mounts" ? null : "the test wants it so" });
  const database = new DatabaseSync(path);
  try {
    const sql = "INSERT OR REPLACE INTO host_facts (key, value) VALUES ('idmapped mounts', ?)";
    database.prepare(sql).run(finding);
  } finally {
    database.close();
  }
}

/** The host's ids of a container, as inspect tells of them: where they begin, and how many there are. */
export async function rangeOf(host: Host, container: string): Promise<{ start: number; size: number }> {
  const format = "{{index .HostConfig.IDMappings.UidMap 0}}";
  const { stdout } = await host.dhow(["inspect", "-f", format, container]);
  const [inside, start, size] = stdout.trim().split(":").map(Number);
  if (inside !== 0 || start === undefined || size === undefined) throw new Error(`no mapping: ${stdout}`);
  return { start, size };
}
