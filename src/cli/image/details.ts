/** What `inspect` shows of an image: docker's types.ImageInspect, from the image's own config. */
import { formatDuration } from "../../duration.ts";
import { Document } from "../../image/document.ts";
import { type Field, GoMap, List, Nil, Struct, Text, type Value } from "../template/value.ts";

/** What of an image is shown. */
export interface ShownImage {
  readonly id: string;
  /** The config, byte for byte. */
  readonly configText: string;
  readonly config: { readonly diffIds: readonly string[] };
  readonly tags: readonly string[];
  readonly digests: readonly string[];
  /** In bytes. */
  readonly size: number;
}

const ZERO_TIME = "0001-01-01T00:00:00Z";

/** An image, as templates and JSON see it. */
export function describeImage(image: ShownImage): Struct {
  const document = Document.parse(image.configText);
  const process = document.object("config");
  const pointer = "*container.Config";
  return new Struct("types.ImageInspect", [
    { name: "ID", json: "Id", value: image.id },
    { name: "RepoTags", value: new List(image.tags) },
    { name: "RepoDigests", value: new List(image.digests) },
    { name: "Parent", value: "" },
    { name: "Comment", value: commentOf(document) },
    { name: "Created", value: document.text("created") || ZERO_TIME },
    { name: "Container", value: document.text("container") },
    {
      name: "ContainerConfig",
      value: describeProcess(document.object("container_config") ?? new Document({})),
    },
    { name: "DockerVersion", value: document.text("docker_version") },
    { name: "Author", value: document.text("author") },
    { name: "Config", value: process === undefined ? new Nil(pointer) : describeProcess(process) },
    { name: "Architecture", value: document.text("architecture") },
    { name: "Variant", value: document.text("variant"), omitEmpty: true },
    { name: "Os", value: document.text("os") },
    { name: "OsVersion", value: document.text("os.version"), omitEmpty: true },
    { name: "Size", value: image.size },
    { name: "VirtualSize", value: image.size },
    { name: "GraphDriver", value: GRAPH_DRIVER },
    { name: "RootFS", value: describeLayers(image.config.diffIds) },
    { name: "Metadata", value: METADATA },
  ]);
}

/** Builders that write no comment of the image itself have one of its last step (moby 23, toImageInspect). */
function commentOf(document: Document): string {
  return document.text("comment") || (document.list("history").at(-1)?.text("comment") ?? "");
}

/** Whatever keeps the layers, overlay is what puts them together. */
const GRAPH_DRIVER = new Struct("types.GraphDriverData", [
  { name: "Data", value: new GoMap(new Map(), undefined, undefined, true) },
  { name: "Name", value: "overlay" },
]);

/** Docker has the time of the last `docker tag` here, which dhow does not keep: for it, there was none. */
const METADATA = new Struct("types.ImageMetadata", [
  { name: "LastTagTime", value: new Text("time.Time", "0001-01-01 00:00:00 +0000 UTC", ZERO_TIME) },
]);

function describeLayers(diffIds: readonly string[]): Struct {
  return new Struct("types.RootFS", [
    { name: "Type", value: "layers" },
    { name: "Layers", value: new List(diffIds), omitEmpty: true },
    { name: "BaseLayer", value: "", omitEmpty: true },
  ]);
}

/** container.Config, field by field in docker's order. */
export function describeProcess(process: Document): Struct {
  const text = (name: string): Field => ({ name, value: process.text(name) });
  const flag = (name: string): Field => ({ name, value: process.flag(name) });
  const list = (name: string, type?: string): Field => ({ name, value: listOf(process.texts(name), type) });
  const omitted = (field: Field): Field => ({ ...field, omitEmpty: true });
  return new Struct("*container.Config", [
    text("Hostname"),
    text("Domainname"),
    text("User"),
    flag("AttachStdin"),
    flag("AttachStdout"),
    flag("AttachStderr"),
    omitted({ name: "ExposedPorts", value: setOf(process.object("ExposedPorts"), "nat.PortSet") }),
    flag("Tty"),
    flag("OpenStdin"),
    flag("StdinOnce"),
    list("Env"),
    list("Cmd", "strslice.StrSlice"),
    omitted({ name: "Healthcheck", value: describeHealthcheck(process.object("Healthcheck")) }),
    omitted(flag("ArgsEscaped")),
    text("Image"),
    { name: "Volumes", value: setOf(process.object("Volumes"), "map[string]struct {}") },
    text("WorkingDir"),
    list("Entrypoint", "strslice.StrSlice"),
    omitted(flag("NetworkDisabled")),
    omitted(text("MacAddress")),
    list("OnBuild"),
    { name: "Labels", value: mapOf(process.textMap("Labels")) },
    omitted(text("StopSignal")),
    omitted({ name: "StopTimeout", value: process.integer("StopTimeout") ?? new Nil("*int") }),
    omitted(list("Shell", "strslice.StrSlice")),
  ]);
}

function listOf(texts: readonly string[] | undefined, type?: string): List {
  return new List(texts ?? [], type, texts === undefined);
}

function mapOf(texts: ReadonlyMap<string, string> | undefined): GoMap {
  return new GoMap(texts ?? new Map(), undefined, undefined, texts === undefined);
}

/** A set in Go is a map to empty structs. */
function setOf(members: Document | undefined, type: string): GoMap {
  const empty = new Struct("struct {}", []);
  const entries = (members?.keys() ?? []).map((key) => [key, empty] as const);
  return new GoMap(new Map(entries), type, empty, members === undefined);
}

function describeHealthcheck(healthcheck: Document | undefined): Value {
  if (healthcheck === undefined) return new Nil("*container.HealthConfig");
  const duration = (name: string): Field => {
    const nanoseconds = healthcheck.integer(name) ?? 0;
    return {
      name,
      value: new Text("time.Duration", formatDuration(nanoseconds), nanoseconds),
      omitEmpty: true,
    };
  };
  return new Struct("*container.HealthConfig", [
    { name: "Test", value: listOf(healthcheck.texts("Test")), omitEmpty: true },
    duration("Interval"),
    duration("Timeout"),
    duration("StartPeriod"),
    { name: "Retries", value: healthcheck.integer("Retries") ?? 0, omitEmpty: true },
  ]);
}
