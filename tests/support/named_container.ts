import type { Host } from "./host.ts";
import { busyboxArchive } from "./images.ts";

/** A container of the real busybox archive that runs by itself, until it is disposed of. */
export class DetachedContainer implements AsyncDisposable {
  private constructor(readonly host: Host, readonly name: string, readonly id: string) {}

  /** @param flags of `dhow run` */
  static async start(
    host: Host,
    name: string,
    command: readonly string[] = ["sleep", "1000"],
    flags: readonly string[] = [],
  ): Promise<DetachedContainer> {
    const options = ["-d", "--name", name, "--network", "none", ...flags];
    const { code, stdout, stderr } = await host.dhow([
      "run",
      ...options,
      await busyboxArchive(),
      ...command,
    ]);
    if (code !== 0) throw new Error(`the container did not start: ${stderr}`);
    return new DetachedContainer(host, name, stdout.trim());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.host.dhow(["rm", "-f", this.id]);
  }
}
