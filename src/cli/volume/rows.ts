/** What lists and inspect tell of volumes (docker's cli/command/formatter/volume.go, api/types/volume.go). */
import { hasLabel } from "../labels.ts";
import type { Volume } from "../../container/volumes.ts";
import { type Paths, volumeData } from "../../state/paths.ts";
import type { Filters } from "../image/filters.ts";
import { flagFilter, matchesName } from "../image/filters.ts";
import type { Listing, Row } from "../format/listing.ts";
import { fromJson, type Value } from "../template/value.ts";

export const VOLUMES: Listing = {
  type: "*formatter.volumeContext",
  headers: {
    Name: "VOLUME NAME",
    Driver: "DRIVER",
    Scope: "SCOPE",
    Mountpoint: "MOUNTPOINT",
    Labels: "LABELS",
    Links: "LINKS",
    Size: "SIZE",
  },
};

export function volumeRow({ name, labels }: Volume, paths: Paths): Row {
  return {
    fields: {
      Driver: () => "local",
      Labels: () => Object.entries(labels).map(([key, value]) => `${key}=${value}`).join(","),
      Links: () => "N/A",
      Mountpoint: () => volumeData(paths, name),
      Name: () => name,
      Scope: () => "local",
      Size: () => "N/A",
    },
    methods: { Label: { arity: 1, call: (key: string) => labels[key] ?? "" } },
  };
}

export function describeVolume({ name, labels, created }: Volume, paths: Paths): Value {
  return fromJson({
    CreatedAt: new Date(created).toISOString().replace(/\.\d+Z$/, "Z"),
    Driver: "local",
    Labels: Object.keys(labels).length === 0 ? null : labels,
    Mountpoint: volumeData(paths, name),
    Name: name,
    Options: null,
    Scope: "local",
  });
}

export const VOLUME_FILTERS = ["dangling", "driver", "label", "name"];

/** The volumes that fit: of each filter one value, of labels all. */
export function filterVolumes(volumes: readonly Volume[], filters: Filters): Volume[] {
  const isDangling = flagFilter(filters, "dangling");
  const drivers = filters.get("driver");
  const names = filters.get("name");
  return volumes.filter((volume) =>
    (isDangling === undefined || isDangling === (volume.containers === 0)) &&
    (drivers === undefined || drivers.includes("local")) &&
    (names === undefined || names.some((name) => matchesName(volume.name, name))) &&
    (filters.get("label") ?? []).every((label) => hasLabel(volume.labels, label))
  );
}
