/** What `inspect` shows of a container's mounts (docker's types.MountPoint and mount.Mount). */
import { join } from "@std/path";
import type { ContainerMount, MountRequest } from "../../container/mounts.ts";
import { type Field, GoMap, List, Struct, type Value } from "../template/value.ts";

/** A struct of which JSON leaves out what is empty, but for some fields. */
function sparse(type: string, values: Readonly<Record<string, Value>>, always: readonly string[]): Struct {
  return new Struct(
    type,
    Object.entries(values).map(([name, value]): Field => ({
      name,
      value,
      omitEmpty: !always.includes(name),
    })),
  );
}

/** What is mounted. docker leaves out what --tmpfs asked for. @param stateFolder the container's */
export function describeMounts(mounts: readonly ContainerMount[], stateFolder: string): List {
  const shown = mounts.filter(({ type, written }) => type !== "tmpfs" || written === undefined);
  const points = shown.map((mount) => {
    const isVolume = mount.type === "volume";
    // the containers' folder and that of the volumes lie in the same one
    const folder = isVolume ? join(stateFolder, "../../volumes", mount.name, "_data") : "";
    return sparse("types.MountPoint", {
      Type: mount.type,
      Name: isVolume ? mount.name : "",
      Source: mount.type === "bind" ? mount.source : folder,
      Destination: mount.target,
      Driver: isVolume ? "local" : "",
      Mode: mount.written?.split(":")[2] ?? "",
      RW: !mount.readOnly,
      Propagation: mount.type === "bind" ? mount.propagation : "",
    }, ["Type", "Source", "Destination", "Mode", "RW", "Propagation"]);
  });
  return new List(points, "[]types.MountPoint");
}

/** What of HostConfig says how mounts were asked for. */
export function describeRequests(requests: readonly MountRequest[]): Field[] {
  // -v TARGET is in docker's Config.Volumes
  const binds = requests.flatMap(({ type, written = "" }) =>
    type !== "tmpfs" && written.includes(":") ? [written] : []
  );
  const tmpfs = requests.flatMap(({ type, target, written }): [string, string][] =>
    type === "tmpfs" && written !== undefined ? [[target, written.split(":").slice(1).join(":")]] : []
  );
  const mounts = requests.filter(({ written }) => written === undefined).map(describeRequest);
  return [
    { name: "Binds", value: new List(binds, "[]string", binds.length === 0) },
    { name: "Tmpfs", value: new GoMap(new Map(tmpfs)), omitEmpty: true },
    { name: "Mounts", value: new List(mounts, "[]mount.Mount"), omitEmpty: true },
  ];
}

function describeRequest(request: MountRequest): Struct {
  const source = request.type === "bind" ? request.source : request.type === "volume" ? request.name : "";
  return sparse("mount.Mount", {
    Type: request.type,
    Source: source ?? "",
    Target: request.target,
    ReadOnly: request.readOnly,
  }, ["Type", "Target"]);
}
