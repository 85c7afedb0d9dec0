import { recordEvent } from "../../container/events.ts";
import { stopContainer } from "../../container/stop.ts";
import { allContainers, type ContainerRecord, STOPPED } from "../../container/records.ts";
import { OptionError, UsageError } from "../../errors.ts";
import type { Command, Invocation, Option, ParsedOptions } from "../command.ts";
import { print, printError } from "../output.ts";
import { openSession } from "../session.ts";
import { eachContainer, MANY, requireContainers } from "./each.ts";
import { signalNumber } from "./signal_names.ts";

/** Docker's. */
const USUAL_SECONDS = 10;

export const STOP_OPTIONS: readonly Option[] = [
  {
    name: "signal",
    short: "s",
    value: "SIGNAL",
    help: "what asks them to end (default: their own, or SIGTERM)",
  },
  {
    name: "time",
    short: "t",
    value: "SECONDS",
    help: "how long they then have, before they are killed; -1: for ever",
  },
];

export const command: Command = {
  usage: "[OPTIONS] CONTAINER [CONTAINER...]",
  summary: "Ask containers to end, and kill those that do not.",
  options: [
    {
      name: "all",
      help:
        "in place of CONTAINER: all that run by themselves, as before the machine stops; start --all starts them again",
    },
    ...STOP_OPTIONS,
  ],
  async run(invocation) {
    const how = readStopOptions(invocation.options, "stop");
    if (invocation.options.flag("all")) return await stopAll(invocation, how);
    requireContainers(invocation, "stop");
    const session = await openSession(invocation.global, "stop containers");
    const stop = async (container: ContainerRecord) => {
      const { signal, seconds } = how(container);
      await stopContainer(session, container, signal, seconds);
      if (container.owner !== null) recordEvent(session.database, container.id, "stop");
    };
    return await eachContainer(invocation, session, stop, MANY);
  },
};

/** So many at once: each has some seconds to end, and a machine that stops does not wait for ever. */
const AT_ONCE = 50;

/** Does what docker's daemon does when it is stopped: restart policies hold when the machine has started again. */
async function stopAll(
  invocation: Invocation,
  how: (container: ContainerRecord) => { signal: number; seconds: number },
): Promise<number> {
  if (invocation.args.length > 0) {
    throw new UsageError({ what: "cannot stop", why: "--all takes no CONTAINER" });
  }
  const session = await openSession(invocation.global, "stop containers");
  const left = allContainers(session.database).filter(({ status }) =>
    status === "running" || status === "restarting"
  );
  let code = 0;
  const stopNext = async () => {
    for (let container = left.pop(); container !== undefined; container = left.pop()) {
      const { signal, seconds } = how(container);
      try {
        await stopContainer(session, container, signal, seconds, STOPPED.byShutdown);
        recordEvent(session.database, container.id, "stop");
        print(`${container.name}\n`);
      } catch (error) {
        // the others shall be stopped all the same
        printError(error, invocation.global.debug);
        code = 1;
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, stopNext));
  return code;
}

/**
 * How a container is to be stopped.
 * @throws {UsageError} when the options say nothing that can be done
 */
export function readStopOptions(options: ParsedOptions, verb: string) {
  const time = options.text("time");
  if (time !== undefined && !/^-?\d{1,9}$/.test(time)) {
    throw new OptionError({ what: `cannot ${verb}`, why: `${JSON.stringify(time)} is no number of seconds` });
  }
  const signal = options.text("signal");
  if (signal !== undefined && signalNumber(signal) === undefined) {
    throw new UsageError({ what: `cannot ${verb}`, why: `there is no signal ${JSON.stringify(signal)}` });
  }
  return ({ config }: ContainerRecord) => ({
    // an image may name a signal that there is not
    signal: signalNumber(signal ?? config.stopSignal) ?? 15,
    seconds: time === undefined ? config.options.stopTimeout ?? USUAL_SECONDS : Number(time),
  });
}
