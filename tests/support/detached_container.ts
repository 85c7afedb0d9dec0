import { assertEquals } from "@std/assert";
import { DHOW, type Host } from "./host.ts";
import { busyboxArchive } from "./images.ts";

/** A container of the real busybox archive that nobody waits for; removed whatever happens. */
export class Detached implements AsyncDisposable {
  private constructor(readonly host: Host, readonly id: string) {}

  /** @param flags of `dhow run`; without --network among them it has none */
  static async start(
    host: Host,
    command: readonly string[],
    flags: readonly string[] = [],
    verb: readonly string[] = ["run", "-d"],
  ): Promise<Detached> {
    const network = flags.includes("--network") ? [] : ["--network", "none"];
    const text = await host.succeed([
      DHOW,
      ...verb,
      ...network,
      ...flags,
      await busyboxArchive(),
      ...command,
    ]);
    return new Detached(host, text.trim());
  }

  /** The container as a template prints it. */
  async inspect(format: string): Promise<string> {
    return (await this.dhow("inspect", "--format", format, this.id)).trimEnd();
  }

  /** A command of dhow that has to succeed. */
  dhow(...args: string[]): Promise<string> {
    return this.host.succeed([DHOW, ...args]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { code, stderr } = await this.host.dhow(["rm", "-f", this.id]);
    // it may be gone already, which rm -f only mentions
    assertEquals({ code, stderr: stderr.replace(/^dhow: No such container: .*\n$/, "") }, {
      code: 0,
      stderr: "",
    });
  }
}

/** A program that does nothing until it is told to end. */
export const IDLE = ["sh", "-c", "trap 'exit 3' TERM; while :; do sleep 1000 & wait; done"];
