import { assertEquals } from "@std/assert";
import { logEnd, parseHeader, readRecord } from "../../../src/plan/log_records.ts";
import { append, LogFolder, logRecord } from "./log_files.ts";

Deno.test("a header says when, which stream, and how many bytes follow", () => {
  assertEquals(parseHeader(logRecord("four", 2, 7, 9)), { seconds: 7, nanoseconds: 9, stream: 2, length: 4 });
});

Deno.test("what is no header is none: too short, no such stream, no bytes, or too many", () => {
  assertEquals(parseHeader(logRecord("x").subarray(0, 31)), undefined);
  assertEquals(parseHeader(logRecord("x", 3)), undefined);
  assertEquals(parseHeader(logRecord("x", 0)), undefined);
  assertEquals(parseHeader(logRecord("")), undefined);
  const long = logRecord("x");
  new DataView(long.buffer).setBigInt64(24, 2n ** 40n, true);
  assertEquals(parseHeader(long), undefined);
});

Deno.test("a record is read once all of it is there", () => {
  using folder = new LogFolder();
  const record = logRecord("hello");
  append(folder.log, record.subarray(0, 35));
  using file = Deno.openSync(folder.log);
  assertEquals(readRecord(file, 0), undefined);
  append(folder.log, record.subarray(35));
  assertEquals(new TextDecoder().decode(readRecord(file, 0)?.bytes), "hello");
});

Deno.test("a log ends after its last complete record", () => {
  using folder = new LogFolder();
  assertEquals(logEnd(folder.log), 0);
  const [first, second] = [logRecord("one"), logRecord("two")];
  append(folder.log, first, second.subarray(0, 33));
  assertEquals(logEnd(folder.log), first.length);
  append(folder.log, second.subarray(33));
  assertEquals(logEnd(folder.log), first.length + second.length);
});
