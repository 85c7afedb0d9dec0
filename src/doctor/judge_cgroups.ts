import type { Facts } from "./facts.ts";
import { broken, type Finding, limited, works } from "./finding.ts";

/** What a host's containers miss without a controller. */
const USES: Readonly<Record<string, string>> = {
  cpu: "no limits of CPU time",
  memory: "memory is neither counted nor limited",
  pids: "processes are neither counted nor limited",
  freezer: "no pause",
  devices: "containers are not kept from the host's devices",
};

/** Of version 2, every group can be frozen, and kept from devices. */
const WANTED = { 1: ["cpu", "memory", "pids", "freezer", "devices"], 2: ["cpu", "memory", "pids"] } as const;

export function judgeCgroups(facts: Facts): Finding[] {
  const { version, mountPoint } = facts.cgroups;
  if (version === undefined || mountPoint === undefined) {
    const mend = "mount -t cgroup2 cgroup2 /sys/fs/cgroup";
    return [broken("cgroup.version", "no cgroup file system is mounted", { mend })];
  }
  return [
    works("cgroup.version", `version ${version}, at ${mountPoint}`),
    writable(facts),
    controllers(facts, version),
  ];
}

function writable({ cgroups: { mountPoint, isWritable, own }, user: { uid } }: Facts): Finding {
  const check = "cgroup.writable";
  if (uid === 0) {
    return isWritable
      ? works(check, "groups can be made")
      : broken(check, `no groups can be made below ${mountPoint}`, {
        mend: `mount -o remount,rw ${mountPoint}`,
      });
  }
  if (own === undefined) {
    return limited(check, "cgroup version 1 gives an ordinary user no groups of its own");
  }
  if (own.isWritable) return works(check, `the group ${own.path} is delegated to this user`);
  return limited(check, `the group ${own.path} is not delegated to this user`, {
    instead: "no limits for its containers",
    mend: "mkdir -p /etc/systemd/system/user@.service.d && " +
      "printf '[Service]\\nDelegate=cpu cpuset io memory pids\\n' >/etc/systemd/system/user@.service.d/delegate.conf && " +
      "systemctl daemon-reload",
  });
}

function controllers(
  { cgroups: { mountPoint, controllers, delegated }, user: { uid } }: Facts,
  version: 1 | 2,
): Finding {
  const check = "cgroup.controllers";
  const missing = WANTED[version].filter((name) => !controllers.includes(name));
  const kept = WANTED[version].filter((name) => controllers.includes(name) && !delegated.includes(name));
  const instead = [...missing, ...kept].map((name) => USES[name]).join(", ");
  if (missing.length > 0 && version === 2) {
    return limited(check, `the kernel has no ${missing.join(", ")}`, {
      instead,
      mend: "start the kernel without cgroup_disable=, and for memory with cgroup_enable=memory",
    });
  }
  if (missing.length > 0) {
    const mounting = missing.map((name) =>
      `mkdir -p /sys/fs/cgroup/${name} && mount -t cgroup -o ${name} cgroup /sys/fs/cgroup/${name}`
    );
    return limited(check, `not mounted: ${missing.join(", ")}`, { instead, mend: mounting.join(" && ") });
  }
  if (kept.length === 0) return works(check, delegated.join(" "));
  return limited(check, `not handed on to groups below ${mountPoint}: ${kept.join(", ")}`, {
    instead: uid === 0
      ? "dhow hands them on with the first container that is limited so; nothing is counted before"
      : instead,
    mend: `echo "${kept.map((name) => `+${name}`).join(" ")}" >${mountPoint}/cgroup.subtree_control`,
  });
}
