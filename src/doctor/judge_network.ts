import { serversOf } from "../network/name_servers.ts";
import { resolvConf } from "../rootfs/etc_files.ts";
import type { Facts, Trial } from "./facts.ts";
import { type Finding, installing, limited, obstacleOf, unseen, works } from "./finding.ts";

/** What is left without a bridge. */
const without = ({ user: { uid } }: Facts) =>
  uid === 0 ? "only --network none and --network host work" : "only root needs it; see rootless.network";

/** What containers need for a network of their own: without it they run, too. */
export function judgeNetwork(facts: Facts): Finding[] {
  return [
    ip(facts),
    iptables(facts),
    made("network.bridge", "bridges and veth pairs", facts.bridge, facts, "modprobe -a bridge veth"),
    made("network.nat", "NAT and forwarding rules", facts.nat, facts, natModules(facts)),
    firewalld(facts),
    forwarding(facts),
    bridgeNetfilter(facts),
    reversePath(facts),
    names(facts),
  ];
}

function ip(facts: Facts): Finding {
  const { programs } = facts;
  if (programs.ip !== undefined) return works("network.ip", programs.ip);
  return limited("network.ip", 'there is no "ip" command', {
    instead: without(facts),
    mend: installing("iproute2", programs),
  });
}

function iptables(facts: Facts): Finding {
  const { programs, iptablesVersion } = facts;
  const check = "network.iptables";
  const missing = (["iptables-restore", "iptables-save"] as const).filter((name) =>
    programs[name] === undefined
  );
  if (missing.length === 0) return works(check, iptablesVersion ?? `${programs["iptables-restore"]}`);
  const text = `there is no ${missing.map((name) => `"${name}"`).join(" and no ")} command`;
  if (programs.nft !== undefined) return works(check, `${text}; dhow uses ${programs.nft}`);
  return limited(check, `${text}, and no "nft"`, {
    instead: without(facts),
    mend: installing("iptables", programs),
  });
}

function natModules({ programs, iptablesVersion }: Facts): string {
  if (programs["iptables-restore"] === undefined) {
    return "modprobe -a nf_tables nft_chain_nat nft_masq nft_ct nft_fib_inet";
  }
  return iptablesVersion?.includes("nf_tables") === true
    ? "modprobe -a nf_tables nft_compat nft_chain_nat xt_MASQUERADE xt_conntrack"
    : "modprobe -a ip_tables iptable_nat iptable_filter xt_MASQUERADE xt_conntrack";
}

function made(check: string, what: string, trial: Trial, facts: Facts, mend: string): Finding {
  const { user, programs } = facts;
  if (trial === undefined) {
    const needs = check === "network.nat" ? (["iptables", "nft"] as const) : (["ip"] as const);
    const lacks = needs.every((program) => programs[program] === undefined);
    return unseen(check, `${what} cannot be tried ${lacks ? `without "${needs[0]}"` : "here"}`);
  }
  const why = obstacleOf(trial);
  if (why === undefined) return works(check, `${what} can be made`);
  // the kernel loads no modules for an ordinary user
  if (user.uid !== 0) return unseen(check, `${what} cannot be tried by this user (${why})`);
  return limited(check, `${what} cannot be made (${why})`, { instead: without(facts), mend });
}

function firewalld({ firewalld }: Facts): Finding {
  const check = "network.firewalld";
  if (typeof firewalld === "object") return unseen(check, firewalld.why);
  return works(
    check,
    firewalld ? 'firewalld runs; dhow puts its bridges into the zone "trusted"' : "firewalld does not run",
  );
}

function forwarding({ sysctls }: Facts): Finding {
  const check = "network.forwarding";
  const value = sysctls["net/ipv4/ip_forward"];
  if (value === undefined) return unseen(check, "net.ipv4.ip_forward cannot be read");
  return works(
    check,
    value === "0" ? "off; dhow switches it on for the first container with a network" : "on",
  );
}

function bridgeNetfilter({ sysctls }: Facts): Finding {
  return works(
    "network.netfilter",
    sysctls["net/bridge/bridge-nf-call-iptables"] === "1"
      ? "the firewall sees what goes from one container to another (br_netfilter); dhow's rules let it through"
      : "what goes from one container to another passes no rules of the firewall",
  );
}

function reversePath({ sysctls }: Facts): Finding {
  const check = "network.rp_filter";
  const values = (["all", "default"] as const).map((name) => sysctls[`net/ipv4/conf/${name}/rp_filter`]);
  if (values.includes(undefined)) return unseen(check, "net.ipv4.conf.*.rp_filter cannot be read");
  return works(check, `all=${values[0]} default=${values[1]}; no value stops what comes by dhow's bridge`);
}

/** The name servers that a container on the bridge gets, as src/rootfs/etc_files.ts chooses them. */
function names({ resolvConf: host = "", resolvedUpstreams }: Facts): Finding {
  const check = "network.dns";
  const sources = { host, upstreams: resolvedUpstreams, dns: [], sharesLoopback: false };
  const given = serversOf(resolvConf(sources));
  const own = serversOf(host);
  const text = own.length === 0
    ? "/etc/resolv.conf names no server"
    : `/etc/resolv.conf names ${own.join(", ")}`;
  const theirs = `containers ask ${given.join(", ")}`;
  if (given.every((server) => own.includes(server))) return works(check, theirs);
  if (given.every((server) => serversOf(resolvedUpstreams ?? "").includes(server))) {
    return works(check, `${text}, which is systemd-resolved; ${theirs}, as it does`);
  }
  return limited(check, `${text}, which no container can reach`, {
    instead: theirs,
    mend: "dhow run --dns ADDRESS, or name a server in /etc/resolv.conf that is not on this host's loopback",
  });
}
