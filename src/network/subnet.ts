/** An IPv4 address as a number, and ranges of them in CIDR notation. */

/** @returns undefined when the text is not four numbers from 0 to 255 */
export function parseAddress(text: string): number | undefined {
  if (!/^\d{1,3}(\.\d{1,3}){3}$/.test(text)) return undefined;
  const parts = text.split(".").map(Number);
  if (parts.some((part) => part > 255)) return undefined;
  return parts.reduce((address, part) => address * 256 + part, 0);
}

export function formatAddress(address: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(address / 2 ** shift) % 256).join(".");
}

export interface Subnet {
  /** The first address, the network's own. */
  readonly first: number;
  /** How many bits of an address name the network. */
  readonly prefix: number;
}

export function parseSubnet(text: string): Subnet {
  const [address = "", prefix = ""] = text.split("/");
  const first = parseAddress(address);
  if (first === undefined) throw new RangeError(`not a subnet: "${text}"`);
  return { first, prefix: Number(prefix) };
}

/**
 * A subnet as a user writes it; bits after the prefix are cleared.
 * @returns undefined when it is not one with addresses for containers
 */
export function readSubnet(text: string): Subnet | undefined {
  const [, address = "", digits = ""] = /^([0-9.]+)\/(\d{1,2})$/.exec(text) ?? [];
  const [given, prefix] = [parseAddress(address), Number(digits)];
  if (given === undefined || prefix < 1 || prefix > 30) return undefined;
  const size = 2 ** (32 - prefix);
  return { first: Math.floor(given / size) * size, prefix };
}

export function formatSubnet({ first, prefix }: Subnet): string {
  return `${formatAddress(first)}/${prefix}`;
}

const sizeOf = (subnet: Subnet) => 2 ** (32 - subnet.prefix);

/** The last address, for broadcasts. */
export function lastOf(subnet: Subnet): number {
  return subnet.first + sizeOf(subnet) - 1;
}

/** The first usable address: dhow gives it to the bridge, unless the user chooses another. */
export function gatewayOf(subnet: Subnet): number {
  return subnet.first + 1;
}

export function contains(subnet: Subnet, address: number): boolean {
  return address >= subnet.first && address <= lastOf(subnet);
}

export function overlaps(one: Subnet, other: Subnet): boolean {
  return one.first <= lastOf(other) && other.first <= lastOf(one);
}

/** Wider routes than this stand for everywhere else: a default route, or a VPN's halves of one (0.0.0.0/1). */
const WIDEST = 8;

/**
 * The ranges that a host routes somewhere, from /proc/net/route (proc(5): addresses are hexadecimal, in the byte order
 * of the machine). The default route is left out.
 */
export function routedSubnets(procNetRoute: string): Subnet[] {
  const fromHex = (hex: string) =>
    (hex.match(/../g) ?? []).reverse().reduce((address, byte) => address * 256 + parseInt(byte, 16), 0);
  return procNetRoute.trim().split("\n").slice(1).flatMap((line) => {
    const fields = line.trim().split(/\s+/);
    const mask = fromHex(fields[7] ?? "");
    const prefix = mask.toString(2).split("1").length - 1;
    if (prefix < WIDEST) return [];
    return [{ first: fromHex(fields[1] ?? ""), prefix }];
  });
}

/**
 * The ranges that a host routes anywhere, by whichever of its tables, and its own addresses, from /proc/net/fib_trie: VPNs have tables of their
 * own (ip-rule(8)), which /proc/net/route does not tell of. Default routes are left out.
 */
export function triedSubnets(procNetFibTrie: string): Subnet[] {
  const subnets: Subnet[] = [];
  let address = "";
  for (const line of procNetFibTrie.split("\n")) {
    // a leaf, and what lies there: `|-- 10.2.3.0`, and below it `/24 link UNICAST`
    address = /^ *\|-- ([0-9.]+)$/.exec(line)?.[1] ?? address;
    const [, prefix = "", type = ""] = /^ *\/(\d+) \S+ ([A-Z]+)/.exec(line) ?? [];
    if (prefix === "" || Number(prefix) < WIDEST || LEADS_NOWHERE.includes(type)) continue;
    subnets.push({ first: parseAddress(address)!, prefix: Number(prefix) });
  }
  return subnets;
}

/** "THROW" is for the next table to answer. */
const LEADS_NOWHERE = ["THROW", "BROADCAST", "MULTICAST"];

/** What providers and VPNs share (RFC 6598): Tailscale and NetBird give their hosts addresses of it. */
export const SHARED_RANGE: Subnet = { first: 0x64400000, prefix: 10 };

/** Where dhow chooses ranges, a /16 each. */
const BLOCKS = ["100.100.0.0", "10.100.0.0", "172.30.0.0"];

/**
 * The default network's candidates: 100.100.1.0/24, as in the tutorial, those after it (RFC 6598's shared range), and for
 * hosts that route all of these some of RFC 1918's.
 */
function* candidates(): Generator<Subnet> {
  for (const block of BLOCKS) {
    for (let third = 1; third <= 255; third++) {
      yield { first: parseAddress(block)! + third * 256, prefix: 24 };
    }
  }
}

/** The first candidate that the host does not route; undefined when it routes them all. */
export function freeSubnet(taken: readonly Subnet[]): Subnet | undefined {
  for (const candidate of candidates()) {
    if (!taken.some((subnet) => overlaps(subnet, candidate))) return candidate;
  }
  return undefined;
}

/**
 * The next free address after the one given out last, going round, so that a freed address rests before it is given
 * again.
 * @param range the part of the subnet to take it from
 * @param taken those of other containers, the gateway, and what else is not to be given
 * @returns undefined when all are taken
 */
export function nextAddress(
  subnet: Subnet,
  last: number,
  taken: ReadonlySet<number>,
  range: Subnet = subnet,
): number | undefined {
  const lowest = Math.max(subnet.first + 1, range.first);
  const highest = Math.min(lastOf(subnet) - 1, lastOf(range));
  const count = highest - lowest + 1;
  const before = last >= lowest && last <= highest ? last : lowest - 1;
  for (let step = 1; step <= count; step++) {
    const address = lowest + (before - lowest + step) % count;
    if (!taken.has(address)) return address;
  }
  return undefined;
}
