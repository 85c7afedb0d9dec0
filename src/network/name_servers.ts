/** The addresses of the name servers in a resolv.conf(5), in its order. */
export function serversOf(resolvConf: string): string[] {
  return resolvConf.split("\n").flatMap((line) => /^\s*nameserver\s+(\S+)/.exec(line)?.slice(1) ?? []);
}
