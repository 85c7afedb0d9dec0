import type { FirewallScript } from "../../plan/explain_host.ts";
import type { FilteredNetwork } from "../../plan/step.ts";
import { document } from "../../plan/shell.ts";
import { type Backend, findBackend, iptablesProgram } from "./backend.ts";
import { isFirewalldRunning, TRUSTED_ZONE } from "./firewalld.ts";
import { repair, reverse } from "./iptables_restore.ts";
import { tablesOf } from "./iptables_rules.ts";
import { loopbackSysctl } from "./loopback.ts";
import { familiesOf, type Family } from "./network.ts";
import { nftRemoval, nftRules } from "./nft_rules.ts";
import { filterable } from "./set_rules.ts";

/** How a host's rules are set. */
export interface Ways {
  readonly backend: Backend;
  readonly families: readonly Family[];
  readonly hasFirewalld: boolean;
}

/** A network's rules on this host, as the commands of a script: nothing of them is there yet. */
export async function explainFirewall(network: FilteredNetwork): Promise<FirewallScript> {
  return firewallScript(network, {
    // without any, the script is for another host
    backend: findBackend() ?? "iptables-nft",
    families: filterable(familiesOf(network)),
    hasFirewalld: await isFirewalldRunning(),
  });
}

/** The same for any host. */
export function firewallScript(
  network: FilteredNetwork,
  { backend, families, hasFirewalld }: Ways,
): FirewallScript {
  const { bridge } = network;
  const script = backend === "nft"
    ? byNft(network, families)
    : merge(families.map((family) => byIptables(backend, network, family)));
  const sysctl = loopbackSysctl(network);
  const sysctls = sysctl.value === "1" ? [sysctl] : [];
  if (!hasFirewalld) return { ...script, sysctls };
  const zone = `firewall-cmd -q --zone=${TRUSTED_ZONE}`;
  return {
    make: [...script.make, `${zone} --add-interface=${bridge}`],
    remove: [`${zone} --remove-interface=${bridge} || true`, ...script.remove],
    files: script.files,
    sysctls,
  };
}

type Rules = Omit<FirewallScript, "sysctls">;

function merge(scripts: readonly Rules[]): Rules {
  return {
    make: scripts.flatMap(({ make }) => make),
    remove: scripts.flatMap(({ remove }) => remove),
    files: Object.assign({}, ...scripts.map(({ files }) => files)),
  };
}

function byNft(network: FilteredNetwork, families: readonly Family[]): Rules {
  const deletions = nftRemoval(network.bridge, families).split("\n").filter((line) =>
    line.startsWith("delete")
  );
  return {
    make: document("nft -f -", nftRules(network).trimEnd().split("\n")),
    remove: deletions.map((deletion) => `nft ${deletion} 2>/dev/null || true`),
    files: {},
  };
}

function byIptables(backend: Exclude<Backend, "nft">, network: FilteredNetwork, family: Family): Rules {
  const usual = family === 4 ? "iptables-restore" : "ip6tables-restore";
  const command = `${nameOf(iptablesProgram(backend, family, "restore") ?? usual)} -w --noflush`;
  const file = `rules-to-remove-${network.bridge}${family === 4 ? "" : "-6"}`;
  const tables = tablesOf(network, family);
  return {
    make: document(command, repair(tables, "").trimEnd().split("\n")),
    remove: [`${command} <"$work/${file}" 2>/dev/null || true`],
    files: { [file]: reverse(tables).trimEnd().split("\n") },
  };
}

const nameOf = (path: string) => path.slice(path.lastIndexOf("/") + 1);
