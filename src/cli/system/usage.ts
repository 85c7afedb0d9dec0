import { allContainers, isRunning } from "../../container/records.ts";
import { writtenSize } from "../../container/size.ts";
import { allVolumes } from "../../container/volumes.ts";
import { sizesIn } from "../container/sizes.ts";
import { log } from "../../log.ts";
import { volumeData } from "../../state/paths.ts";
import type { Session } from "../session.ts";
import { storeOf } from "../store_of.ts";

/** What one kind of object takes on the disk. */
export interface Kind {
  readonly type: string;
  readonly total: number;
  /** How many are in use. */
  readonly active: number;
  /** In bytes. */
  readonly size: number;
  /** What of that pruning would give back. */
  readonly reclaimable: number;
}

/** Sums up what images, containers and volumes take; what dhow has none of is counted as nothing. */
export function diskUsage(session: Session): Kind[] {
  const containers = allContainers(session.database);
  const sizeOf = sizesIn(session);
  const used = new Set(containers.map(({ image }) => image));
  const store = storeOf(session);
  const images = store.list();
  const copies = store.copies.usage();
  const unused = images.filter(({ id }) => !used.has(id));
  const sum = (sizes: readonly number[]) => sizes.reduce((total, size) => total + size, 0);
  const shared = session.database.get<{ size: number | null }>(
    "SELECT sum(size) AS size FROM (SELECT max(size) AS size FROM layers WHERE ready GROUP BY diff_id)",
  )?.size ?? 0;
  const stays = sum(images.filter(({ id }) => used.has(id)).map(({ size }) => size));
  const written = containers.map((container) => ({
    size: sizeOf(container).own,
    runs: isRunning(container),
  }));
  const volumes = allVolumes(session.database).map(({ name, containers }) => ({
    size: writtenSize(volumeData(session.paths, name), (text) => log.warn(text)),
    isUsed: containers > 0,
  }));
  return [
    {
      type: "Images",
      total: images.length,
      active: images.length - unused.length,
      size: shared + copies.all,
      reclaimable: Math.max(0, shared - stays) + copies.unused,
    },
    {
      type: "Containers",
      total: containers.length,
      active: written.filter(({ runs }) => runs).length,
      size: sum(written.map(({ size }) => size)),
      reclaimable: sum(written.filter(({ runs }) => !runs).map(({ size }) => size)),
    },
    {
      type: "Local Volumes",
      total: volumes.length,
      active: volumes.filter(({ isUsed }) => isUsed).length,
      size: sum(volumes.map(({ size }) => size)),
      reclaimable: sum(volumes.filter(({ isUsed }) => !isUsed).map(({ size }) => size)),
    },
    { type: "Build Cache", total: 0, active: 0, size: 0, reclaimable: 0 },
  ];
}
