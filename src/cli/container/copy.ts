import { resolve } from "@std/path";
import { AT_FDCWD, O_CLOEXEC, O_DIRECTORY, O_PATH } from "../../../ffi/constants.ts";
import { SystemCallError } from "../../../ffi/errno.ts";
import { libcCall } from "../../../ffi/table.ts";
import type { Place } from "../../container/copy/place.ts";
import { openSource } from "../../container/copy/source.ts";
import { decideTarget, extractInto, requireFolder } from "../../container/copy/target.ts";
import { recordEvent } from "../../container/events.ts";
import { type ContainerRecord, findContainer } from "../../container/records.ts";
import { type TreeWork, withRoot } from "../../container/tree_view.ts";
import { HostError, UsageError } from "../../errors.ts";
import { gunzip } from "../../image/compression/gzip.ts";
import { CompressionError } from "../../image/compression/stream.ts";
import { interruptible } from "../../image/interrupt.ts";
import { compressionOfStart } from "../../image/layer/stream.ts";
import { TarError } from "../../image/tar/fields.ts";
import type { IdMappings } from "../../plan/step.ts";
import { writeArchive } from "../archive_output.ts";
import type { Command, Invocation } from "../command.ts";
import { openSession, type Session } from "../session.ts";
import { lowerOf } from "./lower_of.ts";

export const command: Command = {
  usage: "[OPTIONS] CONTAINER:SOURCE TARGET|-  or  SOURCE|- CONTAINER:TARGET",
  summary: "Copy files and folders between a container, which need not run, and the host; - is a tar.",
  options: [
    { name: "archive", short: "a", help: "keep owners also on the host" },
    { name: "follow-link", short: "L", help: "copy what a symlink SOURCE leads to" },
    { name: "quiet", short: "q", help: "accepted as docker has it: dhow prints nothing of a copy" },
  ],
  async run(invocation) {
    const { args, global } = invocation;
    const [source, target] = args;
    const wrong = (why: string, hint = "see: dhow cp --help") =>
      new UsageError({ what: "cannot copy", why, hint });
    if (source === undefined || target === undefined || args.length > 2) {
      throw wrong(`cp takes a source and a target, but ${args.length} arguments were given`);
    }
    if (source === "" || target === "") throw wrong("source and target must not be empty");
    const [from, to] = [splitPath(source), splitPath(target)];
    if (from.container !== undefined && to.container !== undefined) {
      throw wrong("copying between containers is not supported");
    }
    const name = from.container ?? to.container;
    if (name === undefined) throw wrong("must specify at least one container source");
    if (from.path === "" || to.path === "") {
      throw wrong("no path follows the container's name", `write ${name}:/ for all of it`);
    }
    const session = await openSession(global, "copy files of containers");
    const copy = new Copy(session, findContainer(session.database, name), name, invocation);
    const isInto = from.container === undefined;
    const code = isInto ? await copy.in(from.path, to.path) : await copy.out(from.path, to.path);
    // docker's names for what its client asks the daemon for
    recordEvent(session.database, copy.container.id, isInto ? "extract-to-dir" : "archive-path");
    return code;
  },
};

/** docker's rule for what names a container: what is before the first colon, unless it begins as a path does. */
function splitPath(text: string): { container: string | undefined; path: string } {
  const at = text.indexOf(":");
  if (at <= 0 || text.startsWith("/") || text.startsWith(".")) return { container: undefined, path: text };
  return { container: text.slice(0, at), path: text.slice(at + 1) };
}

/** An absolute path, with what says at its end that a folder is meant. */
function absolute(path: string, folder: string): string {
  const end = /\/\.?$/.exec(path)?.[0] ?? (path === "." ? "/." : "");
  return `${resolve(folder, path).replace(/\/$/, "")}${end}` || "/";
}

/** A tar as it comes, or as it was before gzip. */
async function* uncompressed(stream: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array> {
  const chunks = stream[Symbol.asyncIterator]();
  const { value: first, done } = await chunks.next();
  if (done) return;
  const all = async function* () {
    yield first;
    for (let next = await chunks.next(); !next.done; next = await chunks.next()) yield next.value;
  };
  const compression = compressionOfStart(first);
  if (compression === undefined) yield* all();
  else if (compression === "gzip") yield* gunzip(all());
  else throw new CompressionError(`it is compressed with ${compression}, of which cp takes gzip only`);
}

class Copy {
  constructor(
    readonly session: Session,
    readonly container: ContainerRecord,
    readonly name: string,
    readonly invocation: Invocation,
  ) {}

  /** From the container to the host, or to standard output. */
  out(source: string, target: string): Promise<number> {
    const { options } = this.invocation;
    const follows = options.flag("follow-link");
    return this.#withRoot(false, async (root, ids) => {
      const found = openSource(this.#place(root, ids, source), follows);
      const as = (name: string) => found.contentOnly ? "." : name;
      if (target === "-") {
        return await writeArchive(
          "copy",
          this.name,
          undefined,
          (sink, signal) => found.write(sink, as(found.name), signal),
        );
      }
      const owner = { uid: Deno.uid() ?? 0, gid: Deno.gid() ?? 0 };
      await this.#onHost(target, async (place, signal) => {
        const { folder, name } = decideTarget(place, found);
        await extractInto(
          place,
          folder,
          options.flag("archive") ? undefined : owner,
          (sink) => found.write(sink, name, signal),
        );
      });
      return 0;
    });
  }

  /** From the host, or a tar on standard input, to the container. */
  in(source: string, target: string): Promise<number> {
    return this.#withRoot(true, async (root, ids) => {
      const place = this.#place(root, ids, target);
      if (source === "-") {
        await this.#unpack(place);
        return 0;
      }
      await this.#onHost(source, async (host, signal) => {
        const found = openSource(host, this.invocation.options.flag("follow-link"));
        const { folder, name } = decideTarget(place, found);
        await extractInto(place, folder, undefined, (sink) => found.write(sink, name, signal));
      });
      return 0;
    });
  }

  async #unpack(place: Place): Promise<void> {
    const folder = requireFolder(place);
    try {
      await extractInto(place, folder, undefined, async (sink) => {
        for await (const chunk of uncompressed(Deno.stdin.readable)) await sink.write(chunk);
      });
    } catch (error) {
      if (!(error instanceof TarError || error instanceof CompressionError)) throw error;
      throw new UsageError({ what: "cannot unpack standard input", why: error.message, cause: error });
    }
  }

  #place(root: number, ids: IdMappings | undefined, path: string): Place {
    return { root, isContainers: true, path: absolute(path, "/"), label: this.name, ids };
  }

  async #onHost(path: string, work: (place: Place, signal: AbortSignal) => Promise<void>): Promise<void> {
    const root = libcCall("openat", AT_FDCWD, "/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    try {
      const place = { root, isContainers: false, path: absolute(path, Deno.cwd()), label: "the host" };
      await interruptible(`cannot copy ${JSON.stringify(path)}`, (signal) => work(place, signal));
    } finally {
      libcCall("close", root);
    }
  }

  #withRoot(isWritable: boolean, work: TreeWork<number>): Promise<number> {
    const { session, container } = this;
    return withRoot(session, container, {
      what: `cannot copy files of container ${this.name}`,
      isWritable,
      withMounts: true,
      lower: (record) => lowerOf(session, record),
    }, (root, ids) => this.#explained(() => work(root, ids)));
  }

  /** What the kernel refuses for reasons that are the container's: a read-only mount, say. */
  async #explained<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof SystemCallError)) throw error;
      const why = error.message;
      throw new HostError({ what: `cannot copy files of container ${this.name}`, why, cause: error });
    }
  }
}
