/** Processes that belong together, and their end. */
import { SIGNALS } from "../../ffi/constants.ts";
import { ProcessHandle } from "../state/process_end.ts";
import { bootId, readStat } from "../state/process_identity.ts";
import { entriesIn } from "../state/read.ts";

/** All processes of this machine that have not ended. */
export function livingProcesses() {
  return entriesIn("/proc").filter(({ name }) => /^\d+$/.test(name)).flatMap(({ name }) => {
    const pid = Number(name);
    const stat = readStat(pid);
    return stat === undefined || /[ZX]/.test(stat.state) ? [] : [{ pid, ...stat }];
  });
}

/**
 * The processes that one has started, they in turn, and all in the sessions of these: a process whose parent has ended is its
 * grandparent's no more, but stays in its session.
 */
export class ProcessTree {
  readonly #sessions = new Set<number>();

  /** @param root whose children are meant; not meant itself */
  constructor(readonly root: number) {}

  /** Kills all that is there now. @returns whether there was anything */
  kill(): boolean {
    const members = this.#members();
    for (const { pid, startTime } of members) {
      using handle = ProcessHandle.open({ pid, startTime, bootId: bootId() });
      handle?.signal(SIGNALS.SIGKILL);
    }
    return members.length > 0;
  }

  #members() {
    const all = livingProcesses();
    const pids = new Set<number>();
    const belongs = ({ pid, parent, session }: { pid: number; parent: number; session: number }) =>
      pid !== this.root && (parent === this.root || pids.has(parent) || this.#sessions.has(session));
    for (let found = -1; found !== pids.size;) {
      found = pids.size;
      for (const process of all) {
        if (pids.has(process.pid) || !belongs(process)) continue;
        pids.add(process.pid);
        // one in a session that was there before may be in it with others
        if (process.session === process.pid) this.#sessions.add(process.pid);
      }
    }
    return all.filter(({ pid }) => pids.has(pid));
  }
}
