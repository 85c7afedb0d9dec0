import { healthOf } from "../../container/health.ts";
import { processConfig } from "../../container/process_config.ts";
import { portsIn } from "../../container/published.ts";
import { networkNames } from "../../container/options.ts";
import { type ContainerRecord, findContainer, isRunning } from "../../container/records.ts";
import { endpointsOf } from "../../network/endpoints.ts";
import { networkRow } from "../../network/records.ts";
import type { Database } from "../../state/database.ts";
import { containerRun, containerState } from "../../state/paths.ts";
import type { Command } from "../command.ts";
import { describeProcess } from "../image/details.ts";
import { FORMAT, inspectNames, requireNames } from "../image/inspect.ts";
import { openSession, type Session } from "../session.ts";
import { storeOf } from "../store_of.ts";
import type { Value } from "../template/value.ts";
import { describeContainer } from "./details.ts";
import { pausedOnes } from "./rows.ts";
import { type ContainerSize, sizesIn } from "./sizes.ts";

export const command: Command = {
  usage: "[OPTIONS] CONTAINER [CONTAINER...]",
  summary: "Print what there is to know of containers, as JSON.",
  options: [FORMAT, { name: "size", short: "s", help: "also what they have written, in bytes" }],
  async run(invocation) {
    requireNames(invocation, "CONTAINER");
    const session = await openSession(invocation.global, "inspect containers");
    const show = containerViews(session, invocation.options.flag("size"));
    return inspectNames(invocation, (name) => show(findContainer(session.database, name)));
  },
};

/** Tells what there is to know of containers. @param withSize whether they are measured, too */
export function containerViews(session: Session, withSize: boolean): (container: ContainerRecord) => Value {
  const { database, paths } = session;
  const store = storeOf(session);
  const sizeOf: (record: ContainerRecord) => ContainerSize | undefined = withSize
    ? sizesIn(session)
    : () => undefined;
  const portsOf = portsIn(database);
  return (record) => {
    const { id, image } = record;
    const config = store.find(image)?.configText ?? archivedConfig(database, image) ?? "";
    const runs = isRunning(record);
    const endpoints = endpointsOf(database, id);
    return describeContainer({
      record,
      isRunning: runs,
      isPaused: runs && pausedOnes([record])(record),
      health: healthOf(database, id),
      process: describeProcess(processConfig(record, config)),
      ports: portsOf(record),
      networks: networkNames(record.config.options).map((name) => ({
        name,
        id: networkRow(database, name)?.id ?? "",
        endpoint: endpoints.find(({ network }) => network.name === name),
      })),
      stateFolder: containerState(paths, id),
      runFolder: containerRun(paths, id),
      size: sizeOf(record),
    });
  };
}

/** Of an image that is used where it lies. */
function archivedConfig(database: Database, image: string): string | undefined {
  return database.get<{ config: string }>("SELECT config FROM archives WHERE image = ?", image)?.config;
}
