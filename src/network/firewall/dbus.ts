/**
 * Calls over the system's message bus (dbus.freedesktop.org/doc/dbus-specification.html), as much as it takes to call a method with
 * texts, and to read the text that it returns.
 */
const SOCKET = "/run/dbus/system_bus_socket";

/** In milliseconds: more than any service needs. */
const TIME_LIMIT = 25_000;
/** Nobody starts a service, or is asked for a password, because of a container. */
const NO_AUTO_START = 2;
const METHOD_CALL = 1;
const METHOD_RETURN = 2;
const ERROR = 3;
/** Of the spec, in bytes. */
const LONGEST_MESSAGE = 2 ** 27;
const FIXED_HEADER = 16;

/** Fields of a header. */
const PATH = 1;
const INTERFACE = 2;
const MEMBER = 3;
const ERROR_NAME = 4;
const REPLY_SERIAL = 5;
const DESTINATION = 6;
const SIGNATURE = 8;

export interface Method {
  readonly destination: string;
  readonly path: string;
  readonly interface: string;
  readonly member: string;
}

/** An answer that is an error. */
export class BusError extends Error {
  override readonly name = "BusError";
  /** @param error its name: `org.freedesktop.DBus.Error.ServiceUnknown` */
  constructor(readonly error: string, message: string) {
    super(message === "" ? error : message);
  }
}

export interface Answer {
  /** The serial of the call. */
  readonly to: number;
  /** Of an error. */
  readonly error: string | undefined;
  /** The first value, if it is a text. */
  readonly text: string | undefined;
}

const align = (offset: number, to: number) => Math.ceil(offset / to) * to;

/** Bytes, one value after another; numbers in the byte order of x86 and arm64, which messages name. */
class Writer {
  readonly #bytes: number[] = [];

  align(to: number): void {
    while (this.#bytes.length % to !== 0) this.#bytes.push(0);
  }

  byte(value: number): void {
    this.#bytes.push(value);
  }

  integer(value: number): void {
    this.align(4);
    this.#bytes.push(value & 255, (value >> 8) & 255, (value >> 16) & 255, (value >>> 24) & 255);
  }

  text(text: string): void {
    const bytes = new TextEncoder().encode(text);
    this.integer(bytes.length);
    this.#bytes.push(...bytes, 0);
  }

  signature(text: string): void {
    this.#bytes.push(text.length, ...new TextEncoder().encode(text), 0);
  }

  get bytes(): Uint8Array {
    return new Uint8Array(this.#bytes);
  }
}

/** A call, as it goes over the bus. @param serial not 0 */
export function encodeCall(method: Method, serial: number, texts: readonly string[]): Uint8Array {
  const body = new Writer();
  for (const text of texts) body.text(text);
  // the length of an array does not count what aligns its first element, and the fields begin at 16, a multiple of 8
  const fields = new Writer();
  const field = (code: number, signature: string, write: () => void) => {
    fields.align(8);
    fields.byte(code);
    fields.signature(signature);
    write();
  };
  field(PATH, "o", () => fields.text(method.path));
  field(INTERFACE, "s", () => fields.text(method.interface));
  field(MEMBER, "s", () => fields.text(method.member));
  field(DESTINATION, "s", () => fields.text(method.destination));
  if (texts.length > 0) field(SIGNATURE, "g", () => fields.signature("s".repeat(texts.length)));
  const header = new Writer();
  for (const byte of ["l".charCodeAt(0), METHOD_CALL, NO_AUTO_START, 1]) header.byte(byte);
  header.integer(body.bytes.length);
  header.integer(serial);
  header.integer(fields.bytes.length);
  const size = FIXED_HEADER + align(fields.bytes.length, 8) + body.bytes.length;
  const message = new Uint8Array(size);
  message.set(header.bytes);
  message.set(fields.bytes, FIXED_HEADER);
  message.set(body.bytes, size - body.bytes.length);
  return message;
}

/** How long a message is, of which there are 16 bytes at least. */
export function messageSize(bytes: Uint8Array): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  if (bytes[0] !== "l".charCodeAt(0)) throw new BusError("", "a message has another byte order");
  const size = FIXED_HEADER + align(view.getUint32(12, true), 8) + view.getUint32(4, true);
  if (size > LONGEST_MESSAGE) throw new BusError("", `a message has ${size} bytes`);
  return size;
}

/** @param message as long as messageSize says @returns undefined for what is no answer */
export function decodeAnswer(message: Uint8Array): Answer | undefined {
  const type = message[1];
  if (type !== METHOD_RETURN && type !== ERROR) return undefined;
  const view = new DataView(message.buffer, message.byteOffset, message.length);
  const text = (at: number, length: number) => new TextDecoder().decode(message.subarray(at, at + length));
  const end = FIXED_HEADER + view.getUint32(12, true);
  let [to, error, signature] = [0, "", ""];
  for (let at = FIXED_HEADER; at < end;) {
    at = align(at, 8);
    const code = message[at];
    const kind = text(at + 2, message[at + 1] ?? 0);
    at += 3 + kind.length;
    if (kind === "g") {
      const length = message[at] ?? 0;
      if (code === SIGNATURE) signature = text(at + 1, length);
      at += length + 2;
    } else if (kind === "u") {
      at = align(at, 4);
      if (code === REPLY_SERIAL) to = view.getUint32(at, true);
      at += 4;
    } else if (kind === "s" || kind === "o") {
      at = align(at, 4);
      const length = view.getUint32(at, true);
      if (code === ERROR_NAME) error = text(at + 4, length);
      at += length + 5;
    } else throw new BusError("", `a message has a header field of type "${kind}"`);
  }
  const body = align(end, 8);
  return {
    to,
    error: type === ERROR ? error : undefined,
    text: signature.startsWith("s") ? text(body + 4, view.getUint32(body, true)) : undefined,
  };
}

/** A connection to the system's bus. */
export class SystemBus implements Disposable {
  readonly #connection: Deno.UnixConn;
  readonly #timer: number;
  #received = new Uint8Array();
  #serial = 0;
  #isOpen = true;

  private constructor(connection: Deno.UnixConn) {
    this.#connection = connection;
    this.#timer = setTimeout(() => this.#close(), TIME_LIMIT);
  }

  /** @returns undefined when the host has no bus */
  static async connect(): Promise<SystemBus | undefined> {
    let connection;
    try {
      connection = await Deno.connect({ transport: "unix", path: SOCKET });
    } catch (error) {
      // not there, or nobody is behind it any more
      if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.ConnectionRefused) {
        return undefined;
      }
      throw error;
    }
    const bus = new SystemBus(connection);
    try {
      const user = [...`${Deno.uid()}`].map((digit) => digit.charCodeAt(0).toString(16)).join("");
      await bus.#write(new TextEncoder().encode(`\0AUTH EXTERNAL ${user}\r\nBEGIN\r\n`));
      const line = await bus.#take((bytes) => bytes.indexOf("\n".charCodeAt(0)) + 1);
      const said = new TextDecoder().decode(line).trim();
      if (!said.startsWith("OK ")) throw new BusError("", `the bus said ${JSON.stringify(said)}`);
      const name = "org.freedesktop.DBus";
      await bus.call({ destination: name, path: "/org/freedesktop/DBus", interface: name, member: "Hello" });
      return bus;
    } catch (error) {
      bus[Symbol.dispose]();
      throw error;
    }
  }

  /**
   * Calls a method with texts.
   * @returns the text that it returns; undefined when it returns something else
   * @throws {BusError} when the answer is an error, or none comes
   */
  async call(method: Method, ...texts: string[]): Promise<string | undefined> {
    const serial = ++this.#serial;
    await this.#write(encodeCall(method, serial, texts));
    for (;;) {
      const message = await this.#take((bytes) => bytes.length < FIXED_HEADER ? 0 : messageSize(bytes));
      const answer = decodeAnswer(message);
      if (answer?.to !== serial) continue;
      if (answer.error !== undefined) throw new BusError(answer.error, answer.text ?? "");
      return answer.text;
    }
  }

  async #write(bytes: Uint8Array): Promise<void> {
    for (let rest = bytes; rest.length > 0;) rest = rest.subarray(await this.#connection.write(rest));
  }

  /** @param sizeOf how many of the bytes that came are wanted; 0 while that cannot be told */
  async #take(sizeOf: (bytes: Uint8Array) => number): Promise<Uint8Array> {
    for (;;) {
      const size = sizeOf(this.#received);
      if (size > 0 && size <= this.#received.length) {
        const taken = this.#received.slice(0, size);
        this.#received = this.#received.slice(size);
        return taken;
      }
      const part = new Uint8Array(4096);
      const count = await this.#connection.read(part).catch((error) => {
        throw this.#isOpen ? error : new BusError("", `no answer within ${TIME_LIMIT / 1000} seconds`);
      });
      if (count === null) throw new BusError("", "the bus has hung up");
      const both = new Uint8Array(this.#received.length + count);
      both.set(this.#received);
      both.set(part.subarray(0, count), this.#received.length);
      this.#received = both;
    }
  }

  #close(): void {
    if (this.#isOpen) this.#connection.close();
    this.#isOpen = false;
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    this.#close();
  }
}
