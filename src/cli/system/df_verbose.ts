/** `system df -v`: what each image, container and volume takes, in docker's tables (docker's cli/command/formatter/disk_usage.go). */
import { allContainers } from "../../container/records.ts";
import { writtenSize } from "../../container/size.ts";
import { allVolumes } from "../../container/volumes.ts";
import type { StoredImage } from "../../image/store/store.ts";
import type { Database } from "../../state/database.ts";
import { log } from "../../log.ts";
import { volumeData } from "../../state/paths.ts";
import { sizesIn } from "../container/sizes.ts";
import { containerRow, CONTAINERS, pausedOnes } from "../container/rows.ts";
import { formatRows, type Row } from "../format/listing.ts";
import { humanSize } from "../human.ts";
import { creationTime } from "../image/filters.ts";
import { imageRows, IMAGES } from "../image/rows.ts";
import type { Session } from "../session.ts";
import { storeOf } from "../store_of.ts";
import { volumeRow, VOLUMES } from "../volume/rows.ts";

const IMAGE_COLUMNS =
  "table {{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{.CreatedSince}}\t{{.VirtualSize}}\t{{.SharedSize}}\t{{.UniqueSize}}\t{{.Containers}}";
const CONTAINER_COLUMNS =
  "table {{.ID}}\t{{.Image}}\t{{.Command}}\t{{.LocalVolumes}}\t{{.Size}}\t{{.RunningFor}}\t{{.Status}}\t{{.Names}}";
const VOLUME_COLUMNS = "table {{.Name}}\t{{.Links}}\t{{.Size}}";

/** @returns the tables, each below its title */
export function verboseUsage(session: Session): string {
  const { database, paths } = session;
  const now = Date.now();
  const containers = allContainers(database);
  const ownSize = ownSizes(database);
  const images = storeOf(session).list().flatMap((image) => {
    const users = containers.filter((container) => container.image === image.id).length;
    const listed = { ...image, created: creationTime(image) };
    return imageRows(listed, IMAGE_COLUMNS, { truncate: true, digests: false, now })
      .map((row) => withSizes(row, image, ownSize(image), users));
  });
  const sizeOf = sizesIn(session);
  const how = { truncate: true, now, isPaused: pausedOnes(containers) };
  const containerRows = containers.map((container) =>
    withFields(containerRow(container, how), { Size: () => humanSize(sizeOf(container).own) })
  );
  const volumes = allVolumes(database).map((volume) =>
    withFields(volumeRow(volume, paths), {
      Links: () => String(volume.containers),
      Size: () => humanSize(writtenSize(volumeData(paths, volume.name), (text) => log.warn(text))),
    })
  );
  return [
    `Images space usage:\n\n${formatRows(IMAGES, images, IMAGE_COLUMNS)}`,
    `Containers space usage:\n\n${formatRows(CONTAINERS, containerRows, CONTAINER_COLUMNS)}`,
    `Local Volumes space usage:\n\n${formatRows(VOLUMES, volumes, VOLUME_COLUMNS)}`,
    "Build cache usage: 0B\n",
  ].join("\n");
}

const withFields = (row: Row, fields: Row["fields"]): Row => ({
  ...row,
  fields: { ...row.fields, ...fields },
});

function withSizes(row: Row, { size }: StoredImage, own: number, containers: number): Row {
  return withFields(row, {
    SharedSize: () => humanSize(Math.max(0, size - own), 4),
    UniqueSize: () => humanSize(own, 4),
    Containers: () => String(containers),
  });
}

/** Tells what the layers of an image take that no other image has, in bytes. */
function ownSizes(database: Database): (image: StoredImage) => number {
  const sizes = new Map(
    database.all<{ image: string; size: number }>(
      `SELECT only.image, sum(size) AS size
       FROM (SELECT diff_id, min(image) AS image FROM image_diff_ids GROUP BY diff_id HAVING count(DISTINCT image) = 1) AS only
       JOIN (SELECT diff_id, max(size) AS size FROM layers WHERE ready GROUP BY diff_id) AS layer
         ON layer.diff_id = only.diff_id
       GROUP BY only.image`,
    ).map(({ image, size }) => [image, size]),
  );
  return ({ id }) => sizes.get(id) ?? 0;
}
