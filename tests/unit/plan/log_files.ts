import { LOG_HEADER } from "../../../src/plan/monitor_layout.ts";

const ENCODER = new TextEncoder();

/** A record of a log, as the monitor writes it. */
export function logRecord(
  text: string,
  stream = 1,
  seconds = 1000,
  nanoseconds = 5,
): Uint8Array<ArrayBuffer> {
  const bytes = ENCODER.encode(text);
  const record = new Uint8Array(LOG_HEADER + bytes.length);
  const view = new DataView(record.buffer);
  [seconds, nanoseconds, stream, bytes.length].forEach((word, index) =>
    view.setBigInt64(8 * index, BigInt(word), true)
  );
  record.set(bytes, LOG_HEADER);
  return record;
}

export function append(path: string, ...records: readonly Uint8Array[]): void {
  for (const record of records) Deno.writeFileSync(path, record, { append: true });
}

/** A folder for a log's files, which goes when it is disposed of. */
export class LogFolder implements Disposable {
  readonly path = Deno.makeTempDirSync({ prefix: "dhow-unit-" });
  readonly log = `${this.path}/log`;

  /** The log makes way for a new one, as the monitor does it. */
  rotate(files: number): void {
    if (files === 1) return Deno.removeSync(this.log);
    for (let index = files - 1; index > 0; index--) {
      const name = index === 1 ? this.log : `${this.log}.${index - 1}`;
      try {
        Deno.renameSync(name, `${this.log}.${index}`);
      } catch (error) {
        if (!(error instanceof Deno.errors.NotFound)) throw error;
      }
    }
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.path, { recursive: true });
  }
}
