/**
 * Leads what is sent to an address and port to sockets that are bound to other ports: an eBPF program of a network namespace is asked
 * before the kernel looks for a socket itself (Documentation/bpf/prog_sk_lookup.rst, Linux 5.9). Nothing of it is to be seen in the
 * namespace, no rule and no socket of that port, and it ends with the last descriptor of it.
 */
import { Arena } from "./arena.ts";
import { callBpf, type Instruction, loadMap, loadProgram, OPCODES } from "./bpf.ts";
import { AF_INET, IPPROTO_TCP, IPPROTO_UDP } from "./constants.ts";
import { libcCall } from "./table.ts";

const BPF_MAP_CREATE = 0;
const BPF_MAP_UPDATE_ELEM = 2;
const BPF_LINK_CREATE = 28;
const BPF_MAP_TYPE_SOCKMAP = 15;
const BPF_PROG_TYPE_SK_LOOKUP = 30;
const BPF_SK_LOOKUP = 36;

/** Of enum bpf_func_id. */
const HELPERS = { lookUpElement: 1, releaseSocket: 86, assignSocket: 124 };

/** Of struct bpf_sk_lookup, include/uapi/linux/bpf.h; the address is in network byte order, the port is not. */
const OFFSETS = { family: 8, protocol: 12, address: 40, port: 60 };

const SK_PASS = 1;

/** What is sent there goes to these sockets. */
export interface SteeredSockets {
  /** Four bytes. */
  readonly address: readonly [number, number, number, number];
  readonly port: number;
  /** Descriptors: one of UDP that is bound, one of TCP that listens. */
  readonly udp: number;
  readonly tcp: number;
}

/**
 * @param namespace a descriptor of the sockets' network namespace
 * @returns a descriptor that it lasts as long as
 * @throws {SystemCallError} when the kernel has no such programs, or this process may not load them: only root of the host may
 */
export function steerToSockets(namespace: number, { address, port, udp, tcp }: SteeredSockets): number {
  const opened: number[] = [];
  try {
    // one place for each number of a protocol
    const map = callBpf(BPF_MAP_CREATE, [BPF_MAP_TYPE_SOCKMAP, 4, 4, IPPROTO_UDP + 1, 0]);
    opened.push(map);
    setElement(map, IPPROTO_UDP, udp);
    setElement(map, IPPROTO_TCP, tcp);
    const instructions = steeringProgram(map, address, port);
    const program = loadProgram(BPF_PROG_TYPE_SK_LOOKUP, BPF_SK_LOOKUP, instructions);
    opened.push(program);
    return callBpf(BPF_LINK_CREATE, [program, namespace, BPF_SK_LOOKUP, 0]);
  } finally {
    for (const fd of opened) libcCall("close", fd);
  }
}

function setElement(map: number, key: number, socket: number): void {
  const arena = new Arena(16);
  try {
    const [at, value] = [arena.integers([key]), arena.integers([socket])];
    const halves = (pointer: number) => [pointer % 2 ** 32, Math.floor(pointer / 2 ** 32)];
    callBpf(BPF_MAP_UPDATE_ELEM, [map, 0, ...halves(at), ...halves(value), 0, 0]);
  } finally {
    arena.release();
  }
}

function steeringProgram(map: number, address: readonly number[], port: number): Instruction[] {
  const [RESULT, FIRST, SECOND, THIRD, CONTEXT, SOCKET, STACK] = [0, 1, 2, 3, 6, 7, 10];
  const own = new DataView(Uint8Array.from(address).buffer).getInt32(0, true);
  /** After a test, what leads to the end is filled in below. */
  const test = (offset: number, value: number): Instruction[] => [
    { code: OPCODES.load, to: SECOND, from: CONTEXT, offset },
    { code: OPCODES.jumpUnless, to: SECOND, value },
  ];
  const body: Instruction[] = [
    { code: OPCODES.copyAll, to: CONTEXT, from: FIRST },
    ...test(OFFSETS.family, AF_INET),
    ...test(OFFSETS.address, own),
    ...test(OFFSETS.port, port),
    { code: OPCODES.load, to: SECOND, from: CONTEXT, offset: OFFSETS.protocol },
    { code: OPCODES.store, to: STACK, from: SECOND, offset: -4 },
    ...loadMap(FIRST, map),
    { code: OPCODES.copyAll, to: SECOND, from: STACK },
    { code: OPCODES.add, to: SECOND, value: -4 },
    { code: OPCODES.call, value: HELPERS.lookUpElement },
    { code: OPCODES.jumpIf, to: RESULT, value: 0 },
    { code: OPCODES.copyAll, to: SOCKET, from: RESULT },
    { code: OPCODES.copyAll, to: FIRST, from: CONTEXT },
    { code: OPCODES.copyAll, to: SECOND, from: RESULT },
    { code: OPCODES.move, to: THIRD, value: 0 },
    { code: OPCODES.call, value: HELPERS.assignSocket },
    { code: OPCODES.copyAll, to: FIRST, from: SOCKET },
    { code: OPCODES.call, value: HELPERS.releaseSocket },
  ];
  const jumps: readonly number[] = [OPCODES.jumpUnless, OPCODES.jumpIf];
  return [
    ...body.map((each, index) =>
      jumps.includes(each.code) ? { ...each, offset: body.length - index - 1 } : each
    ),
    { code: OPCODES.move, to: RESULT, value: SK_PASS },
    { code: OPCODES.exit },
  ];
}
