/** Whether the host leads anywhere, as the kernel tells of it (proc_net(5), /proc/net/route; rt6_info of Linux's net/ipv6/route.c). */
import { readIfThere } from "../state/read.ts";

const RTF_UP = 0x1;
const RTF_REJECT = 0x200;

/** @param text of /proc/net/route */
export function hasDefaultRoute(text: string): boolean {
  return text.split("\n").some((line) => {
    const [, destination, , flags = "", , , , mask] = line.trim().split(/\s+/);
    return destination === "00000000" && mask === "00000000" && isUsable(flags);
  });
}

/** @param text of /proc/net/ipv6_route */
export function hasDefaultRoute6(text: string): boolean {
  return text.split("\n").some((line) => {
    const [destination = "", length, , , , , , , flags = "", link] = line.trim().split(/\s+/);
    return /^0{32}$/.test(destination) && length === "00" && link !== "lo" && isUsable(flags);
  });
}

const isUsable = (flags: string) => (parseInt(flags, 16) & (RTF_UP | RTF_REJECT)) === RTF_UP;

/** How the host is connected. */
export type HostNetwork = { readonly kind: "routed" | "alone" } | {
  /** There are networks, but nothing leads to all others. */
  readonly kind: "unrouted";
  readonly link: string;
};

export function hostNetwork(): HostNetwork {
  if (hasDefaultRoute(readIfThere("/proc/thread-self/net/route") ?? "")) return { kind: "routed" };
  if (hasDefaultRoute6(readIfThere("/proc/thread-self/net/ipv6_route") ?? "")) return { kind: "routed" };
  // of those that have addresses; loopback has no hardware address
  const links = Deno.networkInterfaces().filter(({ mac }) => /[^0:]/.test(mac));
  const link = links.find(({ family }) => family === "IPv4") ?? links[0];
  return link === undefined ? { kind: "alone" } : { kind: "unrouted", link: link.name };
}
