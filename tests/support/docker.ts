import { join } from "@std/path";
import { REPOSITORY } from "./host.ts";
import { busyboxArchive } from "./images.ts";
import { type Output, run, Running } from "./process.ts";

/** Starts a dockerd of its own (scripts/lib/dockerd.sh), and stops it when standard input ends. */
const SCRIPT = `
cd "$1"
. scripts/lib/env.sh
. scripts/lib/common.sh
. scripts/lib/dockerd.sh
on_exit stop_dockerd
start_dockerd "$2" --storage-driver vfs --bridge none --iptables=false --add-runtime "able=$2/able"
echo ready "$docker" "$dockerd_pid"
cat >/dev/null
`;

/**
 * A runtime for what docker gives all capabilities: runc, which fails where dockerd itself does not have all, gets what it was told
 * without those. Nothing else is changed.
 */
const ABLE = `#!/bin/sh
set -eu
previous=
for word in "$@"; do
  if [ "$previous" = --bundle ]; then
    own=$(awk '$1 == "CapBnd:" { print $2 }' /proc/self/status)
    names=$(capsh --decode="$own" | sed 's/.*=//' | tr a-z A-Z)
    jq --arg names "$names" '($names | split(",")) as $own |
      .process.capabilities |= map_values(map(select(. as $name | $own | index($name))))' \
      "$word/config.json" >"$word/able.json"
    mv "$word/able.json" "$word/config.json"
  fi
  previous=$word
done
exec runc "$@"
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
    await Deno.writeTextFile(join(folder, "able"), ABLE, { mode: 0o755 });
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

  /** Loads the archive of busybox. @returns its id */
  async loadBusybox(): Promise<string> {
    const { code, stderr } = await this.docker("load", "-q", "-i", await busyboxArchive());
    if (code !== 0) throw new Error(`docker did not load busybox: ${stderr}`);
    const { stdout } = await this.docker("images", "-q", "--no-trunc");
    return stdout.trim().split("\n")[0]!;
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
