/** What of an image's config and the options of run a container's program was started with, as docker keeps and shows it. */
import { Document } from "../image/document.ts";
import type { StreamName } from "./options.ts";
import type { ContainerRecord } from "./records.ts";
import { hostnameOf } from "./spec.ts";

/** Docker's default, which it adds to every container's variables. */
const DEFAULT_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/**
 * The members of docker's container.Config that dhow knows.
 * @param imageConfig the text of the image's config; empty when the image has gone
 */
export function processConfig({ id, config }: ContainerRecord, imageConfig: string): Document {
  const image = Document.parse(imageConfig).object("config") ?? new Document({});
  const { options } = config;
  const replaces = options.entrypoint !== undefined;
  const isAttached = (stream: StreamName) => options.attach.includes(stream);
  const labels = Object.fromEntries(image.textMap("Labels") ?? []);
  return new Document({
    Hostname: hostnameOf(id, options, Deno.hostname),
    Domainname: options.domainName,
    User: options.user ?? image.text("User"),
    AttachStdin: isAttached("stdin"),
    AttachStdout: isAttached("stdout"),
    AttachStderr: isAttached("stderr"),
    ExposedPorts: exposedPorts(image.object("ExposedPorts"), options.exposed),
    Tty: options.terminal,
    OpenStdin: options.interactive,
    StdinOnce: isAttached("stdin") && options.interactive,
    Env: environment(options.env, image.texts("Env") ?? []),
    Cmd: options.command.length > 0 ? options.command : replaces ? null : image.texts("Cmd") ?? null,
    Healthcheck: config.healthcheck,
    Image: options.image,
    Volumes: set(image.object("Volumes")) ?? null,
    WorkingDir: options.workingDir ?? image.text("WorkingDir"),
    Entrypoint: replaces ? entrypoint(options.entrypoint) : image.texts("Entrypoint") ?? null,
    OnBuild: image.texts("OnBuild") ?? null,
    Labels: { ...labels, ...options.labels },
    StopSignal: config.stopSignal,
    StopTimeout: options.stopTimeout,
  });
}

const entrypoint = (program: string | undefined) => program ? [program] : null;

function set(members: Document | undefined): Record<string, unknown> | undefined {
  return members && Object.fromEntries(members.keys().map((key) => [key, {}]));
}

function exposedPorts(
  images: Document | undefined,
  users: readonly string[],
): Record<string, unknown> | undefined {
  if (users.length === 0) return set(images);
  return { ...set(images), ...Object.fromEntries(users.map((port) => [port, {}])) };
}

/** Docker's order: the user's, and what of the image's they do not replace. */
function environment(users: readonly string[], images: readonly string[]): string[] {
  const nameOf = (entry: string) => entry.split("=", 1)[0];
  const names = new Set(users.map(nameOf));
  const others = images.filter((entry) => !names.has(nameOf(entry)));
  const all = [...users.filter((entry) => entry.includes("=")), ...others];
  return names.has("PATH") || all.some((entry) => nameOf(entry) === "PATH") ? all : [...all, DEFAULT_PATH];
}
