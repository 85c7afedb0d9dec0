import { assertEquals } from "@std/assert";
import { assertSuccess } from "./containers.ts";
import { eventually } from "./eventually.ts";
import type { Host } from "./host.ts";
import { busyboxArchive } from "./images.ts";
import { systemTest } from "./system_test.ts";

/** What a test of containers that stay works with: a host with the image busybox. */
export class Detached {
  constructor(readonly host: Host) {}

  /** Runs dhow, which must succeed and have nothing to say on standard error. @returns what it printed, without its last newline */
  async dhow(...args: string[]): Promise<string> {
    const output = await this.host.dhow(args);
    assertSuccess(output);
    return output.stdout.replace(/\n$/, "");
  }

  /**
   * Starts a container of busybox.
   * @param flags of the verb; without --network among them it has none
   * @returns its id
   */
  start(
    command: readonly string[],
    flags: readonly string[] = [],
    verb: readonly string[] = ["run", "-d"],
  ): Promise<string> {
    const network = flags.includes("--network") ? [] : ["--network", "none"];
    return this.dhow(...verb, ...network, ...flags, "busybox", ...command);
  }

  /** The same; what is not given is a program that does nothing, until it is killed. */
  named(name: string, command: readonly string[] = ["sleep", "1000"], flags: readonly string[] = []) {
    return this.start(command, ["--name", name, ...flags]);
  }

  script(script: string, flags: readonly string[] = []): Promise<string> {
    return this.start(["sh", "-c", script], flags);
  }

  /** A container as a template of `dhow inspect` prints it. */
  inspect(container: string, template: string): Promise<string> {
    return this.dhow("inspect", "--format", template, container);
  }

  /** What `dhow ps -a` tells of a container. */
  ask(container: string, template: string): Promise<string> {
    return this.dhow("ps", "-a", "--no-trunc", "--filter", `id=${container}`, "--format", template);
  }

  async status(container: string): Promise<string> {
    return (await this.ask(container, "{{.Status}}")).replace(/ [^()]* ago$/, "").replace(/^Up .*/, "Up");
  }

  /** Waits until a container's state is one. */
  async becomes(container: string, status: string): Promise<void> {
    await eventually(async () => assertEquals(await this.status(container), status));
  }

  /** The pid, in the host, of a container's monitor. */
  monitor(container: string): Promise<number> {
    return this.host.pidOf(`dhow-monitor ${container}`);
  }
}

/** A test of containers that stay; all of them are removed at its end, however it ends. */
export function detachedTest(name: string, test: (detached: Detached, host: Host) => Promise<void>): void {
  systemTest(name, async (host) => {
    assertSuccess(await host.dhow(["load", "-q", "-i", await busyboxArchive()]));
    const detached = new Detached(host);
    try {
      await test(detached, host);
    } finally {
      const ids = (await host.dhow(["ps", "-aq"])).stdout.trim().split("\n").filter((id) => id !== "");
      if (ids.length > 0) assertSuccess(await host.dhow(["rm", "-f", ...ids]));
    }
  });
}

/** A program that does nothing until it is told to end. */
export const IDLE = ["sh", "-c", "trap 'exit 3' TERM; while :; do sleep 1000 & wait; done"];
