/**
 * Space that the database has on the disk before it needs it. So what has filled the disk can be ended and removed: for that, too, dhow
 * has to write. There are two parts, because a commit goes to the write-ahead log first, and later from there to the database.
 */
import type { DatabaseSync } from "node:sqlite";
import { AT_FDCWD, O_CLOEXEC, O_WRONLY } from "../../ffi/constants.ts";
import { reserveBlocks } from "../../ffi/files.ts";
import { libcCall } from "../../ffi/table.ts";
import { log } from "../log.ts";

/** The log's blocks, in bytes: for all its pages between two checkpoints, and a large transaction. */
const LOG_SIZE = 512 << 10;

/** Free pages in the database, when they are made; and with how many it gets new ones. 64 are 256 KiB. */
const FREE_PAGES = 64;
const FEW_PAGES = 16;
const PAGE_SIZE = 4096;

/** Sees to it that there is some, if the disk has room for it. To be called when the database is open. */
export function keepReserve(connection: DatabaseSync, path: string): void {
  const { freelist_count: free } = connection.prepare("PRAGMA freelist_count").get() as {
    freelist_count: number;
  };
  try {
    if (free < FEW_PAGES) makeFreePages(connection);
    const { blocks } = Deno.statSync(`${path}-wal`);
    if ((blocks ?? 0) * 512 < LOG_SIZE) reserveLog(`${path}-wal`);
  } catch (error) {
    // whatever has to be written now says better what it lacks
    log.debug(`cannot reserve space for ${path}: ${error}`);
  }
}

/** The pages of what is deleted stay in the file, and are used before it grows. */
function makeFreePages(connection: DatabaseSync): void {
  connection.exec(`INSERT INTO reserve VALUES (zeroblob(${FREE_PAGES * PAGE_SIZE}))`);
  // into the database, so that they have their blocks there
  connection.exec("PRAGMA wal_checkpoint; DELETE FROM reserve");
}

/** SQLite holds no POSIX locks on this file, which opening and closing it would end (fcntl(2)). */
function reserveLog(path: string): void {
  const fd = libcCall("openat", AT_FDCWD, path, O_WRONLY | O_CLOEXEC);
  try {
    reserveBlocks(fd, LOG_SIZE);
  } finally {
    libcCall("close", fd);
  }
}
