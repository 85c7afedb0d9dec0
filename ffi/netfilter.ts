/** What tells, for some microseconds, whether somebody has changed the firewall of this network namespace. */
import { Arena } from "./arena.ts";
import {
  AF_INET,
  AF_INET6,
  AF_NETLINK,
  IPPROTO_IPV6,
  IPPROTO_RAW,
  IPT_SO_GET_INFO,
  NETLINK_NETFILTER,
  NFNL_SUBSYS_NFTABLES,
  NFT_MSG_GETGEN,
  NFT_MSG_NEWGEN,
  NFTA_GEN_ID,
  NLM_F_REQUEST,
  O_CLOEXEC,
  O_NONBLOCK,
  SOCK_RAW,
} from "./constants.ts";
import { SystemCallError } from "./errno.ts";
import { type Call, CallTable, libcCall } from "./table.ts";

/** struct nlmsghdr, struct nfgenmsg */
const HEADER_SIZE = 16;
const GENERIC_SIZE = 4;
const ATTRIBUTE_HEADER_SIZE = 4;
const ANSWER_SIZE = 4096;

/**
 * The number of the last change of nf_tables, which iptables-nft uses, too (linux/netfilter/nf_tables.h, NFT_MSG_GETGEN).
 * @returns undefined when the kernel has no nf_tables, or this is not root
 */
export function nftGeneration(): number | undefined {
  return ask(AF_NETLINK, NETLINK_NETFILTER, (table, socket) => {
    const { arena } = table;
    const request = new Uint8Array(HEADER_SIZE + GENERIC_SIZE);
    const fields = new DataView(request.buffer);
    fields.setUint32(0, request.length, true);
    fields.setUint16(4, (NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG_GETGEN, true);
    fields.setUint16(6, NLM_F_REQUEST, true);
    table.call("write", [socket, arena.data(request), request.length]);
    const answer = arena.allocate(ANSWER_SIZE);
    const size = table.call("read", [socket, answer, ANSWER_SIZE]);
    return () =>
      readGeneration(arena.bytes.slice(answer - arena.address, answer - arena.address + size.result));
  });
}

/** @param answer a message of netlink(7) @returns undefined when it is an error, or something else */
export function readGeneration(answer: Uint8Array): number | undefined {
  const fields = new DataView(answer.buffer, answer.byteOffset, answer.length);
  if (answer.length < HEADER_SIZE + GENERIC_SIZE) return undefined;
  if (fields.getUint16(4, true) !== ((NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG_NEWGEN)) return undefined;
  for (let at = HEADER_SIZE + GENERIC_SIZE; at + ATTRIBUTE_HEADER_SIZE + 4 <= answer.length;) {
    const size = fields.getUint16(at, true);
    // nf_tables has its numbers in network byte order
    if (fields.getUint16(at + 2, true) === NFTA_GEN_ID) return fields.getUint32(at + ATTRIBUTE_HEADER_SIZE);
    if (size < ATTRIBUTE_HEADER_SIZE) return undefined;
    at += Math.ceil(size / 4) * 4;
  }
  return undefined;
}

/** struct ipt_getinfo, struct ip6t_getinfo: a name of 32 bytes, and thirteen integers. */
const NAME_SIZE = 32;
const INFO_SIZE = NAME_SIZE + 13 * 4;

/**
 * What the kernel says of a table of the older iptables: where its chains begin and end, how many rules there are, of what size.
 * @returns undefined when it has no such table, or this is not root
 */
export function legacyTable(name: string, isIpv6: boolean): string | undefined {
  return ask(isIpv6 ? AF_INET6 : AF_INET, IPPROTO_RAW, (table, socket) => {
    const { arena } = table;
    const info = arena.allocate(INFO_SIZE);
    arena.bytes.set(new TextEncoder().encode(name), info - arena.address);
    const level = isIpv6 ? IPPROTO_IPV6 : 0;
    table.call("getsockopt", [socket, level, IPT_SO_GET_INFO, info, arena.integers([INFO_SIZE])]);
    return () => Array.from({ length: 13 }, (_, index) => arena.int(info + NAME_SIZE + 4 * index)).join(",");
  });
}

/** Calls of a question: by a socket, which is opened and closed around them. */
const CALLS = 4;
const ARENA_SIZE = 2 * ANSWER_SIZE;

/**
 * Asks the kernel by a socket.
 * @param question adds the calls, and returns what reads the answer
 * @returns undefined when it does not answer
 */
function ask<T>(
  family: number,
  protocol: number,
  question: (table: CallTable, socket: Call) => () => T,
): T | undefined {
  const arena = new Arena(ARENA_SIZE);
  try {
    const table = new CallTable(arena, CALLS);
    const socket = table.call("socket", [family, SOCK_RAW | O_CLOEXEC | O_NONBLOCK, protocol]);
    const answer = question(table, socket);
    try {
      table.run();
    } catch (error) {
      if (error instanceof SystemCallError) return undefined;
      throw error;
    } finally {
      if (table.failure !== socket) libcCall("close", socket.result);
    }
    return answer();
  } finally {
    arena.release();
  }
}
