import { join } from "@std/path";
import { REPOSITORY } from "./host.ts";
import { type Output, run, Running } from "./process.ts";

/** Starts a dockerd of its own (scripts/lib/dockerd.sh), and stops it when standard input ends. */
const SCRIPT = `
cd "$1"
. scripts/lib/env.sh
. scripts/lib/common.sh
. scripts/lib/dockerd.sh
on_exit stop_dockerd
start_dockerd "$2" --storage-driver vfs --bridge none --iptables=false
echo ready "$docker" "$dockerd_pid"
cat >/dev/null
`;

/** A real docker, to compare with. All that it keeps goes when it is disposed of. */
export class Docker implements AsyncDisposable {
  private constructor(
    readonly holder: Running,
    readonly folder: string,
    readonly program: string,
    readonly pid: string,
  ) {}

  static async start(): Promise<Docker> {
    const folder = await Deno.makeTempDir({ prefix: "dhow-docker-" });
    const holder = new Running(["sh", "-euc", SCRIPT, "docker", REPOSITORY, folder]);
    try {
      const [, program, pid] = await holder.stdout.until(/^ready (\S+) (\d+)\n/m);
      return new Docker(holder, folder, program!, pid!);
    } catch (error) {
      const { stderr } = await holder.output();
      await Deno.remove(folder, { recursive: true });
      throw new Error(`docker did not start: ${stderr}`, { cause: error });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.holder.output();
    await Deno.remove(this.folder, { recursive: true });
  }

  /** The command that runs a command in dockerd's network, where nobody else is. */
  enter(...argv: string[]): string[] {
    return ["nsenter", "--net", "--target", this.pid, "--", ...argv];
  }

  /** Runs the docker client. */
  docker(...args: string[]): Promise<Output> {
    const env = {
      DOCKER_HOST: `unix://${this.folder}/docker.sock`,
      DOCKER_CONFIG: join(this.folder, "client"),
      TZ: "UTC",
    };
    return run([this.program, ...args], { env });
  }
}
