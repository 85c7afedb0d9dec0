/** The pipes through which a container's first process says that it waits, and is told to go on. */
import { Arena } from "../../ffi/arena.ts";
import { EPIPE } from "../../ffi/errno.ts";
import { makePipe } from "../../ffi/process.ts";
import { CallTable, libcCall, tryLibcCall } from "../../ffi/table.ts";
import { killSelf } from "./fault.ts";

/** What the child writes instead when fault injection wants dhow to end here. */
const FAULT = "!".charCodeAt(0);

export class Handshake {
  readonly ready = makePipe();
  readonly go = makePipe();
  #isOpen = true;

  /** The child has its own end of what it reads: dhow's closes. What it writes to is closed by who starts it. */
  childStarted(): void {
    libcCall("close", this.go.reader);
  }

  /** Waits until the child says that it waits. @returns false when it has ended instead */
  async childWaits(): Promise<boolean> {
    const arena = new Arena(4096);
    try {
      const byte = arena.allocate(1);
      const table = new CallTable(arena, 1);
      const read = table.call("read", [this.#isOpen ? this.ready.reader : -1, byte, 1]);
      await table.runBlocking();
      if (read.result !== 1) return false;
      if (arena.bytes[byte - arena.address] === FAULT) killSelf();
      return true;
    } finally {
      arena.release();
    }
  }

  /** Has the child go on. */
  letGo(): void {
    // EPIPE: it has failed, and tells why by its end
    tryLibcCall([EPIPE], "write", this.#isOpen ? this.go.writer : -1, "+", 1);
  }

  /** A child that still waits ends. */
  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    libcCall("close", this.ready.reader);
    libcCall("close", this.go.writer);
  }
}
