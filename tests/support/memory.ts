/**
 * The memory that a process takes, in KiB: its own, and its share of what others have as well (PSS).
 * @param folder of the process below /proc
 */
export function memoryOf(folder: string): number {
  return Number(/^Pss: +(\d+) kB/m.exec(Deno.readTextFileSync(`${folder}/smaps_rollup`))?.[1]);
}
