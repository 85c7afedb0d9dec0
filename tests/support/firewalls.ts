import { type Host, REPOSITORY } from "./host.ts";

/** Gives a host nft, ufw and firewalld, as Debian's packages have them; scripts/setup has unpacked them. */
export async function firewallsFrom(host: Host): Promise<void> {
  await host.shell(`cp -a ${REPOSITORY}/.toolchain/firewalls/. /`);
}
