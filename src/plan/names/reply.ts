/**
 * The part of the name server that answers by UDP. Its socket may have another port than the one that was asked, and no other socket can
 * have that port if the container itself listens there: so the datagram, with its IP header, is made here, and goes by a raw socket (raw(7),
 * IPPROTO_RAW; RFC 791, RFC 768). The kernel fills in the length and the checksum of the IP header; within a host the datagram needs none.
 */
import { IPPROTO_UDP, MSG_NOSIGNAL } from "../../../ffi/constants.ts";
import { Word } from "../../../ffi/table.ts";
import { DNS_PORT, NAME_SERVER_ADDRESS, NAME_SERVER_FDS as FDS } from "./layout.ts";
import { MAY_FAIL, type Memory, SOCKADDR } from "./memory.ts";

const IP_HEADER = { destination: 16, size: 20 };
const UDP_HEADER = { destination: 2, length: 4, size: 8 };
const HEADERS_SIZE = IP_HEADER.size + UDP_HEADER.size;
const VERSION_AND_SIZE = 0x45;
const TIME_TO_LIVE = 64;

const HEADERS = Uint8Array.of(
  ...[VERSION_AND_SIZE, 0, 0, 0, 0, 0, 0, 0, TIME_TO_LIVE, IPPROTO_UDP, 0, 0],
  ...[...NAME_SERVER_ADDRESS, 0, 0, 0, 0],
  ...[0, DNS_PORT, 0, 0, 0, 0, 0, 0],
);

export class Reply {
  readonly #headers: number;
  /** struct iovec and struct msghdr (sendmsg(2)) */
  readonly #piece: number;
  readonly #header: number;
  readonly #length: Word;

  /** @param isSteered whether the socket has another port */
  constructor(readonly memory: Memory, readonly isSteered: boolean) {
    const { program } = memory;
    this.#headers = program.data(HEADERS);
    this.#piece = program.words(0, 0);
    this.#header = program.words(memory.client, SOCKADDR.size, this.#piece, 1, 0, 0, 0);
    this.#length = program.word(0);
  }

  begin(): void {
    const { program, message } = this.memory;
    if (this.isSteered) program.copy(message - HEADERS_SIZE, this.#headers, HEADERS_SIZE);
    program.store(this.#piece, this.isSteered ? message - HEADERS_SIZE : message);
  }

  /** Sends the message to the client. If it does not get there, the client asks again. */
  send(): void {
    const { program, message, length, client } = this.memory;
    program.store(this.#piece + 8, length);
    if (this.isSteered) {
      program.copy(message - HEADERS_SIZE + IP_HEADER.destination, client + SOCKADDR.address, 4);
      const udp = message - UDP_HEADER.size;
      program.copy(udp + UDP_HEADER.destination, client + SOCKADDR.port, 2);
      program.store(this.#length, length);
      program.add(this.#length, UDP_HEADER.size);
      program.copy(udp + UDP_HEADER.length, this.#length.address + 1, 1);
      program.copy(udp + UDP_HEADER.length + 1, this.#length.address, 1);
      program.add(this.#piece + 8, HEADERS_SIZE);
    }
    program.call("sendmsg", [this.isSteered ? FDS.raw : FDS.udp, this.#header, MSG_NOSIGNAL], MAY_FAIL);
  }
}
