/** Other programs that change a host's firewall, as Debian's packages have them; scripts/setup has unpacked them. */
import { eventually } from "./eventually.ts";
import { type Host, REPOSITORY } from "./host.ts";

/** Gives a host nft, ufw and firewalld. */
export async function firewallsFrom(host: Host): Promise<void> {
  await host.shell(`cp -a ${REPOSITORY}/.toolchain/firewalls/. /`);
}

/** A host without iptables. */
export async function onlyNft(host: Host): Promise<void> {
  await firewallsFrom(host);
  await host.hide("iptables*", "ip6tables*", "xtables*");
}

/** What ufw's package does when it is installed. */
export async function installUfw(host: Host): Promise<void> {
  await firewallsFrom(host);
  await host.shell(`
    cp /usr/share/ufw/*.rules /usr/share/ufw/*.init /usr/share/ufw/ufw.conf /etc/ufw/
    cp /usr/share/ufw/iptables/*.rules /etc/ufw/
  `);
}

/** Starts a message bus. What a machine has of polkit does not know firewalld's actions, and root needs none of it. */
export async function startBus(host: Host): Promise<void> {
  await host.shell(`
    rm -f /usr/share/dbus-1/system-services/org.freedesktop.PolicyKit1.service
    mkdir -p /run/dbus
    dbus-daemon --system --fork --nopidfile
  `);
}

/** Starts firewalld, and waits until it is ready. */
export async function startFirewalld(host: Host): Promise<void> {
  await host.shell("firewalld --nofork --nopid </dev/null >/run/host/firewalld.log 2>&1 &");
  await eventually(() => host.succeed(["firewall-cmd", "-q", "--state"]));
}

/** Ends a program that its host knows by a pid, and waits until it is gone. */
async function end(host: Host, pattern: RegExp): Promise<void> {
  const find = () => host.processes().filter(({ command }) => pattern.test(command));
  // one may end with another, before it is asked to
  for (const { pid } of find()) await host.run(["kill", `${pid}`]);
  await eventually(() => {
    if (find().length > 0) throw new Error(`${pattern} still runs`);
  });
}

export const endFirewalld = (host: Host) => end(host, /^\S*python3? .*firewalld/);

/** Starts a dockerd with its usual bridge and rules, and waits until it is ready. */
export async function startDockerd(host: Host): Promise<void> {
  const options =
    "--data-root /tmp/docker/data --exec-root /tmp/docker/exec --pidfile /tmp/docker/pid --storage-driver vfs";
  await host.shell(`mkdir -p /tmp/docker; dockerd ${options} </dev/null >/tmp/docker/log 2>&1 &`);
  await eventually(() => host.succeed(["docker", "version"]));
}

export const endDockerd = (host: Host) => end(host, /^(\S*\/)?(dockerd|containerd) /);
