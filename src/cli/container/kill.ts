import { SIGNALS } from "../../../ffi/constants.ts";
import { killForSure } from "../../container/end.ts";
import { recordEvent } from "../../container/events.ts";
import { letGoOn } from "../../container/pause.ts";
import { cgroupOf, STOPPED } from "../../container/records.ts";
import { awaitRunsEnd, markStopped, stopContainer } from "../../container/stop.ts";
import { DhowError, UsageError } from "../../errors.ts";
import { stepDone } from "../../plan/fault.ts";
import { ProcessHandle } from "../../state/process_end.ts";
import type { Command } from "../command.ts";
import { openSession } from "../session.ts";
import { eachContainer, requireContainers } from "./each.ts";
import { signalNumber } from "./signal_names.ts";

export const command: Command = {
  usage: "[OPTIONS] CONTAINER [CONTAINER...]",
  summary: "Send a signal to the first process of containers.",
  options: [{
    name: "signal",
    short: "s",
    value: "SIGNAL",
    help: "which one, by name or number (default: KILL)",
  }],
  async run(invocation) {
    requireContainers(invocation, "kill");
    const name = invocation.options.text("signal") || "KILL";
    const signal = signalNumber(name);
    if (signal === undefined) {
      throw new UsageError({ what: "cannot kill", why: `there is no signal ${JSON.stringify(name)}` });
    }
    const session = await openSession(invocation.global, "kill containers");
    return await eachContainer(invocation, session, async (container) => {
      const { id, process, status, config } = container;
      // as in docker: what does not ask it to end leaves it to its restart policy
      const endsIt = signal === SIGNALS.SIGKILL || signal === signalNumber(config.stopSignal) ||
        config.stopSignal === "SIGTERM";
      if (status === "restarting") {
        // it may be up again by now
        if (endsIt) await stopContainer(session, container, signal, 0);
        else markStopped(session.database, id, STOPPED.byUser);
        return;
      }
      using handle = status === "exited" ? undefined : ProcessHandle.open(process);
      if (handle === undefined) {
        throw new DhowError({ what: `Cannot kill container ${id.slice(0, 12)}`, why: "it is not running" });
      }
      markStopped(session.database, id, endsIt ? STOPPED.forGood : STOPPED.byUser);
      recordEvent(session.database, id, "kill", { signal: String(signal) });
      stepDone();
      if (signal === SIGNALS.SIGKILL) {
        await killForSure(cgroupOf(container), handle);
        stepDone();
        await awaitRunsEnd(session, container);
        return;
      }
      handle.signal(signal);
      stepDone();
      // docker's rule: one that stops in its own way stays as it is for other signals
      if (signal === signalNumber(config.stopSignal)) letGoOn(container);
    });
  },
};
