import { libcCall } from "../../ffi/table.ts";
import { serveNames } from "../../src/plan/names/start.ts";
import type { Owner } from "../../src/plan/step.ts";
import {
  containerFolder,
  namesFolder,
  publishContainer,
  publishZone,
  zoneFolder,
} from "../../src/network/names/publish.ts";
import type { NameServerAddress } from "../../src/network/names/servers.ts";
import { type NamedEndpoint, zoneFiles } from "../../src/network/names/zone.ts";
import { isAlive, type ProcessIdentity } from "../../src/state/process_identity.ts";
import { eventually } from "./eventually.ts";
import { type Output, run, Running } from "./process.ts";

export const NOBODY: Owner = { uid: 65534, gid: 65534 };

interface Options {
  readonly asksFrom?: "host" | "container";
  /** Null to stay who starts it. */
  readonly user?: Owner | null;
  readonly endpoints?: readonly NamedEndpoint[];
  readonly servers?: readonly NameServerAddress[];
  /** Whether that is up when the server starts. */
  readonly hasLoopback?: boolean;
  /** For unshare(1), beside a network namespace. */
  readonly namespaces?: readonly string[];
}

/** What stands for a container: a process in a network namespace of its own, with a name server. */
export class NamedContainer implements AsyncDisposable {
  readonly folder = Deno.makeTempDirSync({ prefix: "dhow-test-" });
  readonly names = namesFolder(this.folder);
  /** The name server. */
  server!: ProcessIdentity;

  private constructor(readonly process: Running) {}

  static async start(options: Options = {}): Promise<NamedContainer> {
    const { asksFrom = "host", user = NOBODY, endpoints = [], servers = [], namespaces = [] } = options;
    // glibc looks only for addresses of a family that it has other addresses of than loopback's
    const script = `${
      options.hasLoopback === false ? "" : "ip link set lo up;"
    } ip link add eth0 type veth peer name peer
      ip addr add 100.100.1.2/24 dev eth0; ip addr add fd00::2/64 dev eth0 nodad; ip link set eth0 up
      echo ready; exec cat`;
    const container = new NamedContainer(
      new Running(["unshare", "--net", ...namespaces, "sh", "-euc", script]),
    );
    try {
      await container.process.stdout.until(/ready/);
      Deno.chmodSync(container.folder, 0o711);
      container.publish("net", endpoints);
      publishContainer(container.names, "it", ["net"], servers);
      const { pid } = container.process;
      const pidfd = libcCall("pidfd_open", pid, 0);
      try {
        const whom = user === null ? {} : { user };
        const step = { root: container.names, folder: containerFolder("it"), asksFrom, ...whom };
        await serveNames(step, { pid, pidfd }, (started) => container.server = started);
      } finally {
        libcCall("close", pidfd);
      }
      return container;
    } catch (error) {
      await container[Symbol.asyncDispose]();
      throw error;
    }
  }

  publish(network: string, endpoints: readonly NamedEndpoint[]): void {
    publishZone(zoneFolder(this.names, network), () => zoneFiles(network, endpoints));
  }

  /** The command that runs a command in it, with a resolv.conf(5) that names the server. */
  enter(...argv: string[]): string[] {
    Deno.writeTextFileSync(`${this.folder}/resolv.conf`, "nameserver 127.0.0.11\noptions ndots:0\n");
    const script =
      `mount --bind "$0" /etc/resolv.conf; exec nsenter --net=/proc/${this.process.pid}/ns/net "$@"`;
    return ["unshare", "--mount", "sh", "-euc", script, `${this.folder}/resolv.conf`, ...argv];
  }

  run(...argv: string[]): Promise<Output> {
    return run(this.enter(...argv));
  }

  /** What dig(1) says, in short. */
  async dig(...args: string[]): Promise<string[]> {
    const { stdout } = await this.run("dig", "+short", "+tries=1", "+time=10", "@127.0.0.11", ...args);
    return stdout.trim().split("\n");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.process[Symbol.asyncDispose]();
    if (this.server !== undefined) {
      await eventually(() => {
        if (isAlive(this.server)) throw new Error("the name server has outlived its container");
      });
    }
    Deno.removeSync(this.folder, { recursive: true });
  }
}
