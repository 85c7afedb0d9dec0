import { assertEquals } from "@std/assert";
import { LineAssembler, LogReader } from "../../../src/container/log_reader.ts";
import type { LogRecord } from "../../../src/plan/log_records.ts";
import { append, LogFolder, logRecord } from "../plan/log_files.ts";

const DECODER = new TextDecoder();

function rest(reader: LogReader): string[] {
  const texts: string[] = [];
  for (let record = reader.next(); record !== undefined; record = reader.next()) {
    texts.push(DECODER.decode(record.bytes));
  }
  return texts;
}

Deno.test("a log is read from its oldest file to its newest", () => {
  using folder = new LogFolder();
  append(`${folder.log}.2`, logRecord("a"));
  append(`${folder.log}.1`, logRecord("b"), logRecord("c"));
  append(folder.log, logRecord("d"));
  using reader = new LogReader(folder.log, 3);
  assertEquals(rest(reader), ["a", "b", "c", "d"]);
  append(folder.log, logRecord("e"));
  assertEquals(rest(reader), ["e"]);
});

Deno.test("what is there now is read, and read once more, whatever is written meanwhile", () => {
  using folder = new LogFolder();
  append(folder.log, logRecord("a"));
  folder.rotate(2);
  append(folder.log, logRecord("b"));
  using reader = new LogReader(folder.log, 2);
  reader.stopAtPresent();
  append(folder.log, logRecord("c"));
  assertEquals(rest(reader), ["a", "b"]);
  folder.rotate(2);
  append(folder.log, logRecord("d"));
  reader.rewind();
  assertEquals(rest(reader), ["a", "b"]);
  reader.goOn();
  assertEquals(rest(reader), ["c", "d"]);
});

Deno.test("what is there now is read also when all of it makes way before", () => {
  using folder = new LogFolder();
  append(folder.log, logRecord("a"));
  using reader = new LogReader(folder.log, 2);
  reader.stopAtPresent();
  folder.rotate(2);
  append(folder.log, logRecord("b"));
  folder.rotate(2);
  append(folder.log, logRecord("c"));
  assertEquals(rest(reader), ["a"]);
  reader.goOn();
  assertEquals(rest(reader), ["b", "c"]);
});

Deno.test("a log that is not there yet is empty, and read when it comes", () => {
  using folder = new LogFolder();
  using reader = new LogReader(folder.log, 1);
  assertEquals(rest(reader), []);
  append(folder.log, logRecord("a"));
  assertEquals(rest(reader), ["a"]);
});

for (const files of [1, 2, 3, 5]) {
  Deno.test(`of a log of ${files} files, what is written until it makes way is read all the same`, () => {
    using folder = new LogFolder();
    append(folder.log, logRecord("a"));
    using reader = new LogReader(folder.log, files);
    assertEquals(rest(reader), ["a"]);
    append(folder.log, logRecord("b"));
    folder.rotate(files);
    assertEquals(rest(reader), ["b"]);
    append(folder.log, logRecord("c"));
    assertEquals(rest(reader), ["c"]);
  });
}

Deno.test("two logs that make way while nobody looks are both read, if they are still there", () => {
  using folder = new LogFolder();
  append(folder.log, logRecord("a"));
  using reader = new LogReader(folder.log, 3);
  assertEquals(rest(reader), ["a"]);
  append(folder.log, logRecord("b"));
  folder.rotate(3);
  append(folder.log, logRecord("c"));
  folder.rotate(3);
  append(folder.log, logRecord("d"));
  assertEquals(rest(reader), ["b", "c", "d"]);
});

Deno.test("a reader whose file is gone goes on with the oldest that is there", () => {
  using folder = new LogFolder();
  append(folder.log, logRecord("a"));
  using reader = new LogReader(folder.log, 2);
  assertEquals(rest(reader), ["a"]);
  for (const text of ["b", "c", "d"]) {
    append(folder.log, logRecord(text));
    folder.rotate(2);
  }
  append(folder.log, logRecord("e"));
  assertEquals(rest(reader), ["b", "d", "e"]);
});

Deno.test("who reads from the end on goes on with the logs that come then", () => {
  for (const files of [1, 3]) {
    using folder = new LogFolder();
    append(folder.log, logRecord("a"));
    using reader = LogReader.fromEnd(folder.log, files);
    append(folder.log, logRecord("b"));
    folder.rotate(files);
    append(folder.log, logRecord("c"));
    assertEquals(rest(reader), ["b", "c"]);
  }
});

Deno.test("what has been opened in time is read to its end, also when all its names are gone", () => {
  using folder = new LogFolder();
  append(folder.log, logRecord("a"));
  using reader = LogReader.fromEnd(folder.log, 2);
  reader.openNewer();
  assertEquals(reader.opened, 1);
  for (const text of ["b", "c", "d"]) {
    folder.rotate(2);
    append(folder.log, logRecord(text));
    reader.openNewer();
  }
  assertEquals(reader.opened, 4);
  Deno.removeSync(folder.log);
  Deno.removeSync(`${folder.log}.1`);
  assertEquals(rest(reader), ["b", "c", "d"]);
});

Deno.test("a file that was read from its middle is followed through its other names", () => {
  using folder = new LogFolder();
  append(folder.log, logRecord("a"), logRecord("b"));
  using reader = new LogReader(folder.log, 3);
  assertEquals(DECODER.decode(reader.next()?.bytes), "a");
  folder.rotate(3);
  append(folder.log, logRecord("c"));
  assertEquals(rest(reader), ["b", "c"]);
});

const ENCODER = new TextEncoder();

function record(text: string, stream = 1, seconds = 1): LogRecord {
  return { seconds, nanoseconds: 0, stream, bytes: Uint8Array.from(ENCODER.encode(text)) };
}

function texts(lines: readonly { stream: number; bytes: Uint8Array; seconds: number }[]): string[] {
  return lines.map(({ stream, bytes, seconds }) => `${stream}@${seconds} ${DECODER.decode(bytes)}`);
}

Deno.test("a record of several lines gives several, each with its end", () => {
  const lines = new LineAssembler();
  assertEquals(texts(lines.add(record("a\n\nb\nrest"))), ["1@1 a\n", "1@1 \n", "1@1 b\n"]);
  assertEquals(texts(lines.rest()), ["1@1 rest"]);
  assertEquals(lines.hasRest, false);
});

Deno.test("a line in pieces has the time of its first, and the streams do not mix", () => {
  const lines = new LineAssembler();
  assertEquals(texts(lines.add(record("out", 1, 1))), []);
  assertEquals(texts(lines.add(record("err", 2, 2))), []);
  assertEquals(texts(lines.add(record("put\nmore", 1, 3))), ["1@1 output\n"]);
  assertEquals(texts(lines.add(record("or\n", 2, 4))), ["2@2 error\n"]);
  assertEquals(texts(lines.rest()), ["1@3 more"]);
});

Deno.test("a line without end comes in parts of bounded size", () => {
  const lines = new LineAssembler();
  const piece = "x".repeat(1 << 18);
  const sizes = Array.from({ length: 9 }, () => lines.add(record(piece))).flat().map(({ bytes }) =>
    bytes.length
  );
  assertEquals(sizes, [5 << 18]);
  assertEquals(lines.rest().map(({ bytes }) => bytes.length), [4 << 18]);
});
