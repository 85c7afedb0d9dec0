/** One entry of a tar file. */
export interface TarEntry {
  readonly path: string;
  readonly type?: "file" | "directory" | "symlink" | "hardlink" | "character" | "block" | "fifo";
  readonly content?: string | Uint8Array;
  /** What a link points to. */
  readonly target?: string;
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly mtime?: number;
  /** Of a device. */
  readonly major?: number;
  readonly minor?: number;
  /** PAX records that go before the entry: `SCHILY.xattr.user.x`, ... */
  readonly pax?: Readonly<Record<string, string>>;
}

const TYPE_FLAGS = {
  file: "0",
  hardlink: "1",
  symlink: "2",
  character: "3",
  block: "4",
  directory: "5",
  fifo: "6",
} as const;

const encoder = new TextEncoder();

function bytesOf(content: string | Uint8Array): Uint8Array {
  return typeof content === "string" ? encoder.encode(content) : content;
}

function header(entry: TarEntry, flag: string, size: number): Uint8Array {
  const block = new Uint8Array(512);
  const text = (offset: number, length: number, value: string) => {
    const bytes = encoder.encode(value);
    if (bytes.length > length) throw new RangeError(`too long for a ustar header: ${value}`);
    block.set(bytes, offset);
  };
  const octal = (offset: number, length: number, value: number) =>
    text(offset, length, value.toString(8).padStart(length - 1, "0"));
  text(0, 100, entry.path);
  octal(100, 8, entry.mode ?? (entry.type === "directory" ? 0o755 : 0o644));
  octal(108, 8, entry.uid ?? 0);
  octal(116, 8, entry.gid ?? 0);
  octal(124, 12, size);
  octal(136, 12, entry.mtime ?? 1_700_000_000);
  text(148, 8, "        ");
  text(156, 1, flag);
  text(157, 100, entry.target ?? "");
  text(257, 8, "ustar\x0000");
  octal(329, 8, entry.major ?? 0);
  octal(337, 8, entry.minor ?? 0);
  octal(148, 7, block.reduce((sum, byte) => sum + byte, 0));
  return block;
}

function padded(content: Uint8Array): Uint8Array[] {
  return [content, new Uint8Array((512 - content.length % 512) % 512)];
}

/** A PAX record counts itself: `11 key=value\n` has a length of 11. */
function paxRecord(key: string, value: string): string {
  const rest = ` ${key}=${value}\n`;
  const size = encoder.encode(rest).length;
  let length = size + `${size}`.length;
  length = size + `${length}`.length;
  return `${length}${rest}`;
}

export function concatenate(parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    all.set(part, offset);
    offset += part.length;
  }
  return all;
}

/** A tar file of exactly these entries, in this order. */
export function tar(entries: readonly TarEntry[]): Uint8Array {
  const blocks: Uint8Array[] = [];
  for (const entry of entries) {
    if (entry.pax !== undefined) {
      const records = Object.entries(entry.pax).map(([key, value]) => paxRecord(key, value)).join("");
      const content = encoder.encode(records);
      blocks.push(header({ path: "PaxHeaders/0" }, "x", content.length), ...padded(content));
    }
    const content = bytesOf(entry.content ?? "");
    blocks.push(header(entry, TYPE_FLAGS[entry.type ?? "file"], content.length), ...padded(content));
  }
  return concatenate([...blocks, new Uint8Array(1024)]);
}
