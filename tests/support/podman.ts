/** podman in a test's host, with storage, networks and settings of its own: what it keeps goes with the host. */
import { type Host, REPOSITORY } from "./host.ts";
import { busyboxArchive } from "./images.ts";
import type { Output } from "./process.ts";

/** What makes podman's networks: netavark, or the older plugins of CNI. */
export type NetworkBackend = "netavark" | "cni";

const FOLDER = "/tmp/podman";

/** Locks are files: the others lie in /dev/shm, which is the machine's. */
const settings = (backend: NetworkBackend) => `
[engine]
lock_type = "file"
events_logger = "file"
[network]
network_backend = "${backend}"
`;

export class Podman {
  private constructor(readonly host: Host) {}

  /** With busybox in its store. */
  static async install(host: Host, backend: NetworkBackend): Promise<Podman> {
    const programs = backend === "netavark" ? "podman" : "cni";
    await host.shell(`cp -a ${REPOSITORY}/.toolchain/firewalls/usr/lib/${programs} /usr/lib/`);
    await host.shell(`rm -rf /etc/cni/net.d; mkdir ${FOLDER}`);
    await host.write("containers.conf", settings(backend));
    const podman = new Podman(host);
    await podman.succeed("load", "-q", "-i", await busyboxArchive());
    return podman;
  }

  run(...args: string[]): Promise<Output> {
    const options = `--root ${FOLDER}/root --runroot ${FOLDER}/run --tmpdir ${FOLDER}/tmp
      --storage-driver vfs --cgroup-manager cgroupfs --runtime runc`;
    return this.host.run(["podman", ...options.split(/\s+/), ...args], {
      env: { CONTAINERS_CONF: this.host.file("containers.conf") },
    });
  }

  async succeed(...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await this.run(...args);
    if (code !== 0) throw new Error(`podman ${args.join(" ")}: exit code ${code}\n${stdout}${stderr}`);
    return stdout.trimEnd();
  }

  /** Starts a container of busybox that stays. */
  async start(name: string, flags: readonly string[], ...command: string[]): Promise<void> {
    // it would raise limits that it may not raise here
    const limits = ["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024"];
    await this.succeed("run", "-d", "--name", name, ...limits, ...flags, "localhost/busybox", ...command);
  }
}
