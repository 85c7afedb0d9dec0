import { HostError, ImageError, UsageError } from "../errors.ts";
import type { Content } from "../image/compression/stream.ts";
import { QUIET } from "../image/progress.ts";
import { spareLoopback } from "../image/registry/proxies.ts";
import { openStandardInput } from "../image/source/input.ts";
import { explainOpening } from "../image/source/open_error.ts";
import { spool } from "../image/source/spool.ts";

/** A tar to import. */
export interface ImportSource extends Disposable {
  readonly content: Content;
  /** As docker names it in the image's history: `-` for whatever it is handed itself. */
  readonly origin: string;
}

/**
 * Opens what `import` is given: a file; `-`, standard input; or the URL of a web server. What is no file is read to its end first.
 * @param folder where there is space for that
 * @param signal breaks it off
 * @throws {DhowError} when it cannot be had
 */
export async function openImportSource(
  source: string,
  folder: string,
  signal: AbortSignal,
): Promise<ImportSource> {
  const label = JSON.stringify(source);
  if (source === "-") {
    if (Deno.stdin.isTerminal()) {
      throw new UsageError({
        what: "cannot import",
        why: "standard input is a terminal",
        hint: "redirect it from a tar, or name one",
      });
    }
    const file = await openStandardInput({ folder, label: "standard input", progress: QUIET, signal });
    return opened(file, "standard input", "-");
  }
  if (/^https?:\/\//.test(source)) {
    return opened(await spool(download(source, signal), { folder, label, signal }), label, source);
  }
  return openFile(source, label);
}

/** A regular file is read where it lies. */
function openFile(path: string, label: string): ImportSource {
  try {
    // asked first: opening a FIFO would wait for its writer
    if (Deno.statSync(path).isFile) return opened(Deno.openSync(path), label, "-");
  } catch (error) {
    throw explainOpening(error, label);
  }
  const hint = "check the path, or hand it to standard input: dhow import - <PIPE";
  throw new ImageError({ what: `cannot open ${label}`, why: "it is not a regular file", hint });
}

/** What a web server sends. */
async function* download(url: string, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  const refuse = (why: string, cause?: unknown): never => {
    throw new HostError({ what: `cannot download ${JSON.stringify(url)}`, why, cause });
  };
  try {
    spareLoopback();
    const response = await fetch(url, { signal });
    if (response.ok && response.body !== null) return yield* response.body;
    await response.body?.cancel();
    refuse(`the server answered ${response.status} ${response.statusText}`);
  } catch (error) {
    if (error === signal.reason || error instanceof HostError) throw error;
    refuse(error instanceof Error ? error.message : String(error), error);
  }
}

function opened(file: Deno.FsFile, label: string, origin: string): ImportSource {
  const content = { file, offset: 0, size: file.statSync().size, label };
  return { content, origin, [Symbol.dispose]: () => file.close() };
}
