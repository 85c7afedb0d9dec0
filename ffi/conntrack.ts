/** Flows that the kernel's connection tracking knows, by netlink(7) (linux/netfilter/nfnetlink_conntrack.h), and their deletion. */
import { Arena } from "./arena.ts";
import {
  AF_INET,
  AF_INET6,
  AF_NETLINK,
  CTA_FILTER,
  CTA_FILTER_F_CTA_PROTO_DST_PORT,
  CTA_FILTER_F_CTA_PROTO_NUM,
  CTA_FILTER_ORIG_FLAGS,
  CTA_ID,
  CTA_IP_V4_DST,
  CTA_IP_V4_SRC,
  CTA_IP_V6_DST,
  CTA_IP_V6_SRC,
  CTA_PROTO_DST_PORT,
  CTA_PROTO_NUM,
  CTA_PROTO_SRC_PORT,
  CTA_TUPLE_IP,
  CTA_TUPLE_ORIG,
  CTA_TUPLE_PROTO,
  CTA_TUPLE_REPLY,
  CTA_ZONE,
  IPCTNL_MSG_CT_DELETE,
  IPCTNL_MSG_CT_GET,
  IPCTNL_MSG_CT_NEW,
  IPPROTO_UDP,
  NETLINK_NETFILTER,
  NFNL_SUBSYS_CTNETLINK,
  NLA_F_NESTED,
  NLM_F_DUMP,
  NLM_F_REQUEST,
  NLMSG_DONE,
  NLMSG_ERROR,
  O_CLOEXEC,
  O_NONBLOCK,
  SOCK_RAW,
} from "./constants.ts";
import { EAGAIN, ENOENT, SystemCallError } from "./errno.ts";
import { libcCall, tryLibcCall } from "./table.ts";

/** struct nlmsghdr, struct nfgenmsg */
const HEADER_SIZE = 16;
const GENERIC_SIZE = 4;
const ATTRIBUTE_HEADER_SIZE = 4;
/** What the kernel writes at once, at most (netlink_dump of net/netlink/af_netlink.c). */
const ANSWER_SIZE = 32768;
/** So many deletions are asked for at once; what the kernel says of them fits into the socket. */
const DELETIONS = 64;

/** A flow of UDP: what its first packet had, and what answers to it have. They differ by what is translated. */
export interface Flow {
  readonly family: 4 | 6;
  readonly original: Tuple;
  readonly reply: Tuple;
  /** What the kernel finds it by, as it has told it. */
  readonly key: Uint8Array;
}

export interface Tuple {
  /** Four bytes, or sixteen. */
  readonly source: Uint8Array;
  readonly destination: Uint8Array;
  readonly sourcePort: number;
  readonly destinationPort: number;
}

/**
 * Deletes flows of UDP in this network namespace. What has ended meanwhile is no error.
 * @param port only those to it
 * @param isWanted whether one is to be deleted
 * @returns how many were
 * @throws {SystemCallError} when the kernel refuses; EINVAL or EPROTONOSUPPORT of one that tells nothing of flows
 */
export function deleteUdpFlows(
  family: Flow["family"],
  port: number | undefined,
  isWanted: (flow: Flow) => boolean,
): number {
  const socket = libcCall("socket", AF_NETLINK, SOCK_RAW | O_CLOEXEC | O_NONBLOCK, NETLINK_NETFILTER);
  const arena = new Arena(2 * ANSWER_SIZE);
  const answer = arena.allocate(ANSWER_SIZE);
  const at = answer - arena.address;
  const send = (bytes: Uint8Array) => {
    arena.bytes.set(bytes, at);
    libcCall("write", socket, answer, bytes.length);
  };
  /** @returns undefined when there is nothing more */
  const receive = () => {
    const size = tryLibcCall([EAGAIN], "read", socket, answer, ANSWER_SIZE);
    return size <= 0 ? undefined : arena.bytes.slice(at, at + size);
  };
  try {
    send(dumpRequest(family, port));
    const flows: Flow[] = [];
    for (let isLast = false; !isLast;) {
      const bytes = receive();
      if (bytes === undefined) break;
      const { flows: more, error, isLast: ends } = readFlows(bytes);
      if (error !== 0) throw new SystemCallError("conntrack dump", error);
      flows.push(...more.filter(isWanted));
      isLast = ends;
    }
    for (let first = 0; first < flows.length; first += DELETIONS) {
      const some = flows.slice(first, first + DELETIONS);
      send(joined(some.map((flow) => message(IPCTNL_MSG_CT_DELETE, NLM_F_REQUEST, flow.family, flow.key))));
      for (let bytes = receive(); bytes !== undefined; bytes = receive()) {
        const failure = errorsIn(bytes).find((error) => error !== 0 && error !== ENOENT);
        if (failure !== undefined) throw new SystemCallError("conntrack delete", failure);
      }
    }
    return flows.length;
  } finally {
    libcCall("close", socket);
    arena.release();
  }
}

/** The kernel tells only those that fit, since Linux 5.8. */
function dumpRequest(family: Flow["family"], port: number | undefined): Uint8Array {
  const flags = CTA_FILTER_F_CTA_PROTO_NUM + (port === undefined ? 0 : CTA_FILTER_F_CTA_PROTO_DST_PORT);
  const tuple = attribute(
    CTA_TUPLE_PROTO | NLA_F_NESTED,
    attribute(CTA_PROTO_NUM, Uint8Array.of(IPPROTO_UDP)),
    ...(port === undefined ? [] : [attribute(CTA_PROTO_DST_PORT, Uint8Array.of(port >> 8, port & 0xff))]),
  );
  return message(
    IPCTNL_MSG_CT_GET,
    NLM_F_REQUEST | NLM_F_DUMP,
    family,
    attribute(CTA_TUPLE_ORIG | NLA_F_NESTED, tuple),
    attribute(
      CTA_FILTER | NLA_F_NESTED,
      attribute(CTA_FILTER_ORIG_FLAGS, new Uint8Array(Uint32Array.of(flags).buffer)),
    ),
  );
}

function message(
  type: number,
  flags: number,
  family: Flow["family"],
  ...attributes: Uint8Array[]
): Uint8Array {
  const header = new Uint8Array(HEADER_SIZE + GENERIC_SIZE);
  const fields = new DataView(header.buffer);
  const size = attributes.reduce((sum, { length }) => sum + length, header.length);
  fields.setUint32(0, size, true);
  fields.setUint16(4, (NFNL_SUBSYS_CTNETLINK << 8) | type, true);
  fields.setUint16(6, flags, true);
  header[HEADER_SIZE] = family === 4 ? AF_INET : AF_INET6;
  return joined([header, ...attributes]);
}

const padded = (size: number) => Math.ceil(size / 4) * 4;

function attribute(type: number, ...content: Uint8Array[]): Uint8Array {
  const size = content.reduce((sum, { length }) => sum + length, ATTRIBUTE_HEADER_SIZE);
  const bytes = new Uint8Array(padded(size));
  const fields = new DataView(bytes.buffer);
  fields.setUint16(0, size, true);
  fields.setUint16(2, type, true);
  bytes.set(joined(content), ATTRIBUTE_HEADER_SIZE);
  return bytes;
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

interface Message {
  readonly type: number;
  readonly content: Uint8Array;
}

function* messagesIn(bytes: Uint8Array): Generator<Message> {
  const fields = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let at = 0; at + HEADER_SIZE <= bytes.length;) {
    const size = fields.getUint32(at, true);
    if (size < HEADER_SIZE || at + size > bytes.length) return;
    yield { type: fields.getUint16(at + 4, true), content: bytes.subarray(at + HEADER_SIZE, at + size) };
    at += padded(size);
  }
}

/** struct nlmsgerr begins with the error's number, as a negative one; 0 for none. */
const errorOf = (content: Uint8Array) =>
  content.length < 4 ? 0 : -new DataView(content.buffer, content.byteOffset).getInt32(0, true);

const errorsIn = (bytes: Uint8Array) =>
  [...messagesIn(bytes)].flatMap(({ type, content }) => type === NLMSG_ERROR ? [errorOf(content)] : []);

/**
 * What an answer tells.
 * @param bytes messages of netlink(7)
 */
export function readFlows(bytes: Uint8Array): { flows: Flow[]; error: number; isLast: boolean } {
  const flows: Flow[] = [];
  for (const { type, content } of messagesIn(bytes)) {
    if (type === NLMSG_ERROR || type === NLMSG_DONE) return { flows, error: errorOf(content), isLast: true };
    if (type !== ((NFNL_SUBSYS_CTNETLINK << 8) | IPCTNL_MSG_CT_NEW)) continue;
    const flow = readFlow(content);
    if (flow !== undefined) flows.push(flow);
  }
  return { flows, error: 0, isLast: false };
}

interface Attribute {
  readonly whole: Uint8Array;
  readonly value: Uint8Array;
}

function attributesIn(bytes: Uint8Array): Map<number, Attribute> {
  const found = new Map<number, Attribute>();
  const fields = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let at = 0; at + ATTRIBUTE_HEADER_SIZE <= bytes.length;) {
    const size = fields.getUint16(at, true);
    if (size < ATTRIBUTE_HEADER_SIZE || at + size > bytes.length) break;
    found.set(fields.getUint16(at + 2, true) & ~NLA_F_NESTED, {
      whole: bytes.subarray(at, at + padded(size)),
      value: bytes.subarray(at + ATTRIBUTE_HEADER_SIZE, at + size),
    });
    at += padded(size);
  }
  return found;
}

/** @returns undefined when it is not of UDP, or lacks something */
function readFlow(content: Uint8Array): Flow | undefined {
  const family = content[0] === AF_INET ? 4 : content[0] === AF_INET6 ? 6 : undefined;
  const attributes = attributesIn(content.subarray(GENERIC_SIZE));
  const [first, answer] = [attributes.get(CTA_TUPLE_ORIG), attributes.get(CTA_TUPLE_REPLY)];
  if (family === undefined || first === undefined || answer === undefined) return undefined;
  const [original, reply] = [first, answer].map(({ value }) => readTuple(value, family));
  if (original === undefined || reply === undefined) return undefined;
  const key = [CTA_TUPLE_ORIG, CTA_ZONE, CTA_ID].flatMap((type) => attributes.get(type)?.whole ?? []);
  return { family, original, reply, key: joined(key) };
}

function readTuple(bytes: Uint8Array, family: Flow["family"]): Tuple | undefined {
  const parts = attributesIn(bytes);
  const addresses = attributesIn(parts.get(CTA_TUPLE_IP)?.value ?? new Uint8Array());
  const protocol = attributesIn(parts.get(CTA_TUPLE_PROTO)?.value ?? new Uint8Array());
  const source = addresses.get(family === 4 ? CTA_IP_V4_SRC : CTA_IP_V6_SRC)?.value;
  const destination = addresses.get(family === 4 ? CTA_IP_V4_DST : CTA_IP_V6_DST)?.value;
  const [sourcePort, destinationPort] = [CTA_PROTO_SRC_PORT, CTA_PROTO_DST_PORT].map((type) => {
    const value = protocol.get(type)?.value;
    return value === undefined ? undefined : value[0]! * 256 + value[1]!;
  });
  if (source === undefined || destination === undefined) return undefined;
  if (sourcePort === undefined || destinationPort === undefined) return undefined;
  if (protocol.get(CTA_PROTO_NUM)?.value[0] !== IPPROTO_UDP) return undefined;
  return { source, destination, sourcePort, destinationPort };
}
