import { dirname } from "@std/path";
import { describeErrno, ENOENT, ENOTDIR, errnoOf, isNoSpace } from "../../ffi/errno.ts";
import { HostError, UsageError } from "../errors.ts";
import { interruptible } from "../image/interrupt.ts";
import type { ByteSink } from "../image/tar/writer.ts";
import { UnfinishedFile } from "../image/unnamed_file.ts";

/** What a shell says of a program that SIGPIPE ended: so ends docker when nobody reads its output any more. */
const EXIT_BROKEN_PIPE = 128 + 13;

/** Nobody reads standard output any more. */
class BrokenPipe extends Error {}

/** Writes an archive, unless and until the signal breaks it off. */
export type ArchiveWork = (sink: ByteSink, signal: AbortSignal) => Promise<void>;

/**
 * Has an archive written to a file, or to standard output. A file is there when it is complete, and before that it is not.
 * So a file that was there before stays as it is when the work fails.
 * @param verb `save`, `export`
 * @param subject what goes into it, for the error when it is broken off: `"busybox"`
 * @param path of the file; undefined for standard output
 * @returns the exit code
 * @throws {UsageError} when standard output is a terminal, or the path cannot be an archive's
 * @throws {HostError} when there is no space, say
 * @throws {InterruptedError} after SIGINT, SIGTERM or SIGHUP
 */
export async function writeArchive(
  verb: string,
  subject: string,
  path: string | undefined,
  work: ArchiveWork,
): Promise<number> {
  if (path === undefined) return await writeStandardOutput(verb, work);
  assertFile(verb, path);
  await interruptible(`cannot ${verb} ${subject}`, (signal) => writeFile(path, work, signal));
  return 0;
}

/** Signals end the process at once: there is nothing to clean up, and a write may wait for its reader forever. */
async function writeStandardOutput(verb: string, work: ArchiveWork): Promise<number> {
  if (Deno.stdout.isTerminal()) {
    throw new UsageError({
      what: `cowardly refusing to ${verb} to a terminal`,
      why: "an archive is no text",
      hint: "use the -o flag or redirect",
    });
  }
  try {
    await work(sinkOf(Deno.stdout, "standard output"), new AbortController().signal);
    return 0;
  } catch (error) {
    if (error instanceof BrokenPipe) return EXIT_BROKEN_PIPE;
    throw error;
  }
}

async function writeFile(path: string, work: ArchiveWork, signal: AbortSignal): Promise<void> {
  const label = JSON.stringify(path);
  // its mode is docker's too: layers may hold what is for root only
  using target = explained(label, () => new UnfinishedFile(path));
  await work(sinkOf(target.file, label), signal);
  explained(label, () => target.complete());
}

function explained<T>(label: string, work: () => T): T {
  try {
    return work();
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new HostError({ what: `cannot write ${label}`, why, cause });
  }
}

/** docker's checks of what -o names, before any work is done. */
function assertFile(verb: string, path: string): void {
  const refuse = (why: string, hint: string, cause?: unknown): never => {
    throw new UsageError({ what: `cannot ${verb} to ${JSON.stringify(path)}`, why, hint, cause });
  };
  const kindOf = (path: string) => {
    try {
      return kindOfFile(path);
    } catch (error) {
      const errno = errnoOf(error);
      if (errno === undefined) throw error;
      return refuse(describeErrno(errno), "check the path", error);
    }
  };
  if (path === "") refuse("it names no file", "name one: -o FILE");
  const found = kindOf(path);
  if (found === "directory") refuse("it is a directory", "name a file in it");
  if (found === "other") refuse("it is neither missing nor a regular file", "redirect to it instead");
  if (found === "nothing" && kindOf(dirname(path)) !== "directory") {
    refuse(`there is no directory ${JSON.stringify(dirname(path))}`, "make it first");
  }
}

function kindOfFile(path: string): "file" | "directory" | "other" | "nothing" {
  try {
    const { isFile, isDirectory } = Deno.statSync(path);
    return isFile ? "file" : isDirectory ? "directory" : "other";
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === ENOENT || errno === ENOTDIR) return "nothing";
    throw error;
  }
}

function sinkOf(target: { write(bytes: Uint8Array): Promise<number> }, label: string): ByteSink {
  return {
    async write(bytes) {
      try {
        for (let done = 0; done < bytes.length;) done += await target.write(bytes.subarray(done));
      } catch (error) {
        if (error instanceof Deno.errors.BrokenPipe) throw new BrokenPipe();
        const isFull = isNoSpace(error);
        throw new HostError({
          what: `cannot write to ${label}`,
          why: error instanceof Error ? error.message : String(error),
          ...(isFull ? { hint: "free some space there, or choose another place with -o FILE" } : {}),
          cause: error,
        });
      }
    },
  };
}
