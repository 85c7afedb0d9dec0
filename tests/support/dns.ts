/** DNS messages (RFC 1035, 4.1), and clients and servers of them on this host's loopback. */
import { createSocket, type Socket } from "node:dgram";
import { within } from "./eventually.ts";

export interface QueryOptions {
  readonly id?: number;
  /** Both bytes; by default recursion is wanted. */
  readonly flags?: number;
  readonly class?: number;
  /** Whether there is an OPT record (RFC 6891). */
  readonly edns?: boolean;
}

const two = (number: number) => [number >> 8, number & 0xff];

export function encodeLabels(name: string): number[] {
  const labels = name === "" ? [] : name.split(".");
  const bytes = (label: string) => Array.from(label, (character) => character.charCodeAt(0));
  return [...labels.flatMap((label) => [label.length, ...bytes(label)]), 0];
}

const OPT = [0, 0, 41, 0x10, 0, 0, 0, 0, 0, 0, 0];

export function query(name: string, type: number, options: QueryOptions = {}): Uint8Array<ArrayBuffer> {
  const { id = 0x1234, flags = 0x0100, edns = false } = options;
  return Uint8Array.of(
    ...two(id),
    ...two(flags),
    ...[0, 1, 0, 0, 0, 0, 0, edns ? 1 : 0],
    ...encodeLabels(name),
    ...two(type),
    ...two(options.class ?? 1),
    ...(edns ? OPT : []),
  );
}

export interface Answer {
  readonly id: number;
  /** The first byte of flags. */
  readonly flags: number;
  readonly code: number;
  /** Whether recursion is available. */
  readonly ra: boolean;
  readonly name: string;
  /** What the answers have, as text, and how long they may be kept. */
  readonly answers: string[];
  readonly ttls: number[];
  readonly hasOpt: boolean;
  readonly size: number;
}

/** Takes a message apart. It must end where it says. */
export function decode(message: Uint8Array): Answer {
  const view = new DataView(message.buffer, message.byteOffset, message.length);
  let at = 12;
  const readName = (from: number, depth = 0): [name: string, end: number] => {
    const labels: string[] = [];
    let place = from;
    while (message[place] !== 0) {
      const length = message[place]!;
      if (length >= 0xc0) {
        if (depth > 5) throw new Error("pointers lead to pointers");
        labels.push(readName(view.getUint16(place) & 0x3fff, depth + 1)[0]);
        return [labels.join("."), place + 2];
      }
      labels.push(String.fromCharCode(...message.subarray(place + 1, place + 1 + length)));
      place += 1 + length;
    }
    return [labels.join("."), place + 1];
  };
  const [questions, count, authorities, additional] = [4, 6, 8, 10].map((place) => view.getUint16(place));
  let name = "";
  for (let index = 0; index < questions!; index++) {
    [name, at] = readName(at);
    at += 4;
  }
  const [answers, ttls]: [string[], number[]] = [[], []];
  let hasOpt = false;
  for (let index = 0; index < count! + authorities! + additional!; index++) {
    const [, end] = readName(at);
    const [type, ttl, size] = [view.getUint16(end), view.getUint32(end + 4), view.getUint16(end + 8)];
    const data = message.subarray(end + 10, end + 10 + size);
    if (data.length !== size) throw new Error("a record is cut short");
    at = end + 10 + size;
    if (type === 41) hasOpt = true;
    if (index >= count!) continue;
    const hex = Array.from(data, (byte) => byte.toString(16).padStart(2, "0")).join("");
    answers.push(type === 1 ? data.join(".") : type === 12 || type === 5 ? readName(end + 10)[0] : hex);
    ttls.push(ttl);
  }
  if (at !== message.length) throw new Error(`${message.length - at} bytes after the end`);
  const [flags, second] = [message[2]!, message[3]!];
  return {
    id: view.getUint16(0),
    flags,
    code: second & 0xf,
    ra: (second & 0x80) !== 0,
    name,
    answers,
    ttls,
    hasOpt,
    size: message.length,
  };
}

/** A client with a port of its own, which stays the same. */
export class DnsClient implements AsyncDisposable {
  readonly #socket: Socket = createSocket("udp4");
  readonly #received: Uint8Array[] = [];
  #arrived = Promise.withResolvers<void>();

  constructor(readonly port: number) {
    this.#socket.on("message", (message) => {
      this.#received.push(new Uint8Array(message));
      this.#arrived.resolve();
      this.#arrived = Promise.withResolvers();
    });
  }

  send(message: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) =>
      this.#socket.send(
        message,
        this.port,
        "127.0.0.1",
        (error: Error | null) => error === null ? resolve() : reject(error),
      )
    );
  }

  /** The next message that comes. */
  async receive(): Promise<Uint8Array> {
    while (this.#received.length === 0) await within(this.#arrived.promise, () => "an answer by UDP");
    return this.#received.shift()!;
  }

  async ask(name: string, type: number, options?: QueryOptions): Promise<Answer> {
    await this.send(query(name, type, options));
    return decode(await this.receive());
  }

  /** Messages that have come and were not taken. */
  get waiting(): number {
    return this.#received.length;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return new Promise((resolve) => this.#socket.close(() => resolve()));
  }
}

/** A response to a query: what it asks for, with a code and the bytes of answers. */
export function response(to: Uint8Array, code = 0, records: readonly number[] = [], count = 0): Uint8Array {
  const bytes = Uint8Array.of(...to.subarray(0, endOfQuestion(to)), ...records);
  bytes.set([0x81, 0x80 | code, 0, 1, 0, count, 0, 0, 0, 0], 2);
  return bytes;
}

function endOfQuestion(message: Uint8Array): number {
  let at = 12;
  while (message[at] !== 0) at += message[at]! + 1;
  return at + 5;
}

/** An answer with an IPv4 address. */
export const addressRecord = (address: string) => [
  ...[0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4],
  ...address.split(".").map(Number),
];

/** A DNS server on this host's loopback, by UDP and TCP. */
export class DnsServer implements AsyncDisposable {
  readonly asked: Uint8Array[] = [];
  /** The ports that questions by UDP came from. */
  readonly clients: number[] = [];
  #arrived = Promise.withResolvers<void>();
  readonly #serving: Promise<unknown>[] = [];

  private constructor(
    readonly udp: Socket,
    readonly tcp: Deno.TcpListener,
    readonly behaviour: (query: Uint8Array) => Uint8Array | undefined,
  ) {
    udp.on("message", (message, { port }) => {
      this.#note(message);
      this.clients.push(port);
      const answer = behaviour(new Uint8Array(message));
      if (answer !== undefined) udp.send(answer, port, "127.0.0.1");
    });
    this.#serving.push(this.#accept());
  }

  /** @param behaviour what it answers; undefined for nothing */
  static async start(behaviour: (query: Uint8Array) => Uint8Array | undefined): Promise<DnsServer> {
    for (let attempt = 0;; attempt++) {
      const udp = createSocket("udp4");
      await new Promise<void>((resolve) => udp.bind(0, "127.0.0.1", () => resolve()));
      try {
        const tcp = Deno.listen({ hostname: "127.0.0.1", port: udp.address().port });
        return new DnsServer(udp, tcp, behaviour);
      } catch (error) {
        await new Promise<void>((resolve) => udp.close(() => resolve()));
        // somebody may have the other protocol's port
        if (attempt >= 10 || !(error instanceof Deno.errors.AddrInUse)) throw error;
      }
    }
  }

  /** A port that no server has. */
  static async unused(): Promise<number> {
    await using server = await DnsServer.start(() => undefined);
    return server.port;
  }

  get port(): number {
    return this.udp.address().port;
  }

  async #accept(): Promise<void> {
    for await (const connection of this.tcp) {
      this.#serving.push(this.#serve(connection));
    }
  }

  async #serve(connection: Deno.TcpConn): Promise<void> {
    using _ = connection;
    for await (const message of messagesOf(connection)) {
      this.#note(message);
      const answer = this.behaviour(message);
      if (answer === undefined) return;
      await writeAll(connection, Uint8Array.of(...two(answer.length)));
      await writeAll(connection, answer);
    }
  }

  #note(message: Uint8Array): void {
    this.asked.push(new Uint8Array(message));
    this.#arrived.resolve();
    this.#arrived = Promise.withResolvers();
  }

  /** Waits until so many questions have come. */
  async heard(count: number): Promise<void> {
    while (this.asked.length < count) {
      await within(this.#arrived.promise, () => `${count} questions; there were ${this.asked.length}`);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.tcp.close();
    await new Promise<void>((resolve) => this.udp.close(() => resolve()));
    await within(Promise.all(this.#serving), () => "the end of connections");
  }
}

async function writeAll(connection: Deno.TcpConn, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await connection.write(bytes.subarray(at));
}

/** Messages with their lengths before them, until the other side ends the connection. */
async function* messagesOf(connection: Deno.TcpConn): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  const buffer = new Uint8Array(1 << 17);
  let size = 0;
  while (true) {
    const end = 2 + buffer[0]! * 256 + buffer[1]!;
    if (size >= 2 && size >= end) {
      yield buffer.slice(2, end);
      buffer.copyWithin(0, end, size);
      size -= end;
      continue;
    }
    const count = await connection.read(buffer.subarray(size)).catch((error) => {
      if (error instanceof Deno.errors.ConnectionReset) return null;
      throw error;
    });
    if (count === null) return;
    size += count;
  }
}

/** Sends messages by one connection, and gives what comes back: as many, or fewer if the other side ends it. */
export async function askByTcp(port: number, ...sent: readonly Uint8Array[]): Promise<Uint8Array[]> {
  using connection = await Deno.connect({ hostname: "127.0.0.1", port });
  const exchange = async () => {
    for (const message of sent) await writeAll(connection, Uint8Array.of(...two(message.length), ...message));
    const received: Uint8Array[] = [];
    for await (const message of messagesOf(connection)) {
      received.push(message);
      if (received.length === sent.length) break;
    }
    return received;
  };
  return await within(exchange(), () => "answers by TCP");
}
