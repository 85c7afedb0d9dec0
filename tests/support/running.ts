import type { Host, RunningInHost } from "./host.ts";
import { busyboxArchive } from "./images.ts";

/** What a script in a container prints when a test may go on. */
const READY = "all is made";

/** A container that waits until it is disposed of, and then ends in order. */
export class WaitingContainer implements AsyncDisposable {
  private constructor(readonly host: Host, readonly name: string, readonly running: RunningInHost) {}

  /**
   * Starts a container that runs a script, and then waits.
   * @param name the container's
   * @param flags of `dhow run`; the image is the real busybox archive, unless another is named
   * @returns when the script has come to its end
   */
  static async start(
    host: Host,
    name: string,
    script: string,
    { flags = [], image }: { flags?: readonly string[]; image?: string } = {},
  ): Promise<WaitingContainer> {
    const options = ["-i", "--name", name, "--network", "none", ...flags];
    const command = ["sh", "-euc", `${script}\necho ${READY}\nexec sh -c 'cat; : ${name}'`];
    const running = host.spawnDhow(["run", ...options, image ?? (await busyboxArchive()), ...command]);
    try {
      await running.stdout.until(new RegExp(READY));
      return new WaitingContainer(host, name, running);
    } catch (error) {
      const { stderr } = await running.output();
      throw new Error(`the container has ended: ${stderr}`, { cause: error });
    }
  }

  /** What its script has printed. */
  get printed(): string {
    return this.running.stdout.text.replace(`${READY}\n`, "");
  }

  /** Its root, by a path in the host. */
  async root(): Promise<string> {
    return `/proc/${await this.host.pidOf(`sh -c cat; : ${this.name}`)}/root`;
  }

  /** Ends it; it may have ended already. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.running.output();
  }
}
