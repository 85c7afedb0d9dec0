/** What lists and inspect tell of volumes (docker's cli/command/formatter/volume.go, api/types/volume.go). */
import { hasLabel } from "../labels.ts";
import type { Volume } from "../../container/volumes.ts";
import { type Paths, volumeData } from "../../state/paths.ts";
import type { Filters } from "../image/filters.ts";
import { flagFilter, matchesName } from "../image/filters.ts";
import type { Listing, Row } from "../format/listing.ts";
import { GoMap, Struct } from "../template/value.ts";

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

export function describeVolume({ name, labels, created, options }: Volume, paths: Paths): Struct {
  const texts = (map: Readonly<Record<string, string>>) => {
    const entries = new Map(Object.entries(map));
    return new GoMap(entries, "map[string]string", "", entries.size === 0);
  };
  return new Struct("types.Volume", [
    { name: "CreatedAt", value: new Date(created).toISOString().replace(/\.\d+Z$/, "Z") },
    { name: "Driver", value: "local" },
    { name: "Labels", value: texts(labels) },
    { name: "Mountpoint", value: volumeData(paths, name) },
    { name: "Name", value: name },
    { name: "Options", value: texts(options) },
    { name: "Scope", value: "local" },
  ]);
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
