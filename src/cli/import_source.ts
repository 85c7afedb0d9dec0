import { HostError, ImageError, UsageError } from "../errors.ts";
import type { Content } from "../image/compression/stream.ts";
import { Spool } from "../image/spool.ts";

/** A tar to import. */
export interface ImportSource extends Disposable {
  readonly content: Content;
  /** As docker names it in the image's history: `-` for whatever it is handed itself. */
  readonly origin: string;
}

/**
 * Opens what `import` is given: a file; `-`, standard input; or the URL of a web server. The last two are read to their end first.
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
    return await spooled(Deno.stdin.readable, { label: "standard input", origin: "-" }, folder, signal);
  }
  if (/^https?:\/\//.test(source)) {
    return await spooled(await download(source, signal), { label, origin: source }, folder, signal);
  }
  return openFile(source, label);
}

/** A regular file is read where it lies. */
function openFile(path: string, label: string): ImportSource {
  const refuse = (why: string, cause?: unknown): never => {
    throw new ImageError({ what: `cannot open ${label}`, why, hint: "check the path", cause });
  };
  try {
    // asked first: opening a FIFO would wait for its writer
    if (!Deno.statSync(path).isFile) refuse("it is not a regular file");
    const file = Deno.openSync(path);
    const content = { file, offset: 0, size: file.statSync().size, label };
    return { content, origin: "-", [Symbol.dispose]: () => file.close() };
  } catch (error) {
    if (error instanceof ImageError || !(error instanceof Error)) throw error;
    return refuse(error.message, error);
  }
}

async function download(url: string, signal: AbortSignal): Promise<ReadableStream<Uint8Array>> {
  const refuse = (why: string, cause?: unknown): never => {
    throw new HostError({ what: `cannot download ${JSON.stringify(url)}`, why, cause });
  };
  try {
    const response = await fetch(url, { signal });
    if (response.ok && response.body !== null) return response.body;
    await response.body?.cancel();
    return refuse(`the server answered ${response.status} ${response.statusText}`);
  } catch (error) {
    if (error === signal.reason || error instanceof HostError) throw error;
    return refuse(error instanceof Error ? error.message : String(error), error);
  }
}

async function spooled(
  stream: ReadableStream<Uint8Array>,
  { label, origin }: { label: string; origin: string },
  folder: string,
  signal: AbortSignal,
): Promise<ImportSource> {
  const spool = new Spool(folder);
  const reader = stream.getReader();
  const stop = () => reader.cancel(signal.reason).catch(() => {});
  try {
    signal.addEventListener("abort", stop);
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      await spool.write(part.value);
    }
    signal.throwIfAborted();
    const content = { ...spool.range, label };
    return { content, origin, [Symbol.dispose]: () => spool[Symbol.dispose]() };
  } catch (error) {
    spool[Symbol.dispose]();
    signal.throwIfAborted();
    if (error instanceof HostError || !(error instanceof Error)) throw error;
    throw new HostError({ what: `cannot read ${label} to its end`, why: error.message, cause: error });
  } finally {
    signal.removeEventListener("abort", stop);
  }
}
