import { recordEvent } from "../../container/events.ts";
import { stopContainer } from "../../container/stop.ts";
import type { ContainerRecord } from "../../container/records.ts";
import { UsageError } from "../../errors.ts";
import type { Command, Option, ParsedOptions } from "../command.ts";
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
  options: STOP_OPTIONS,
  async run(invocation) {
    requireContainers(invocation, "stop");
    const how = readStopOptions(invocation.options, "stop");
    const session = await openSession(invocation.global, "stop containers");
    const stop = async (container: ContainerRecord) => {
      const { signal, seconds } = how(container);
      await stopContainer(session, container, signal, seconds);
      if (container.owner !== null) recordEvent(session.database, container.id, "stop");
    };
    return await eachContainer(invocation, session, stop, MANY);
  },
};

/**
 * How a container is to be stopped.
 * @throws {UsageError} when the options say nothing that can be done
 */
export function readStopOptions(options: ParsedOptions, verb: string) {
  const time = options.text("time");
  if (time !== undefined && !/^-?\d{1,9}$/.test(time)) {
    throw new UsageError({ what: `cannot ${verb}`, why: `${JSON.stringify(time)} is no number of seconds` });
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
