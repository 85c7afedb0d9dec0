/** What `events` tells of a command that was executed in a container. It is written while the command runs: nobody waits for it. */
import { messagesOf } from "../errors.ts";
import { log } from "../log.ts";
import type { Database } from "../state/database.ts";
import { recordEvent } from "./events.ts";
import { newId } from "./names.ts";

export class ExecEvents {
  readonly #execID = newId();

  constructor(readonly database: Database, readonly container: string) {}

  started([program = "", ...args]: readonly string[]): void {
    const command = `${program} ${args.join(" ")}`;
    this.#record(() =>
      this.database.transaction(() => {
        for (const action of ["exec_create", "exec_start"]) this.#event(`${action}: ${command}`);
      })
    );
  }

  detached(): void {
    this.#record(() => this.#event("exec_detach"));
  }

  died(exitCode: number): void {
    this.#record(() => this.#event("exec_die", { exitCode: String(exitCode) }));
  }

  #event(action: string, attributes: Readonly<Record<string, string>> = {}): void {
    recordEvent(this.database, this.container, action, { ...attributes, execID: this.#execID });
  }

  /** The command runs, and its exit code is what counts. */
  #record(work: () => void): void {
    try {
      work();
    } catch (error) {
      for (const message of messagesOf(error)) log.warn(`no event of the command: ${message}`);
    }
  }
}
