/** A container's places in networks. */
import { DhowError } from "../errors.ts";
import { log } from "../log.ts";
import { allocateEndpoint } from "../network/endpoints.ts";
import type { Endpoint } from "../network/network.ts";
import type { Database } from "../state/database.ts";
import { attachmentsOf, type RunOptions } from "./options.ts";
import type { Naming } from "./prepare.ts";

/** What knows of networks that users make, for one that is in some. */
export type Attaching = typeof import("../network/attach.ts") | undefined;

/** What a start needs of networks that users make, for one that is in some: what knows of its places there, and of its names. */
export async function networkParts(
  { networks }: RunOptions,
): Promise<{ attaching: Attaching; naming: Naming }> {
  if (networks === undefined) return { attaching: undefined, naming: undefined };
  const [attaching, naming] = await Promise.all([import("../network/attach.ts"), import("./naming.ts")]);
  return { attaching, naming };
}

/** What makes bridges and rules: not for containers without a network. */
export const networking = () => import("../network/lifecycle.ts");

/** The options as they are kept: networks by their names. To be called in the transaction that makes the container. */
export function withNetworks(database: Database, options: RunOptions, attaching: Attaching): RunOptions {
  if (options.networks === undefined || attaching === undefined) return options;
  return { ...options, networks: attaching.resolveAttachments(database, options.networks) };
}

/** Takes a container's places in networks. To be called in the transaction that writes down what is to be undone. */
export function takePlaces(
  database: Database,
  id: string,
  options: RunOptions,
  attaching: Attaching,
): readonly Endpoint[] {
  if (options.network !== "bridge") return [];
  if (options.networks !== undefined && attaching === undefined) {
    throw new DhowError({
      what: "cannot connect the container",
      why: "its networks were changed meanwhile",
      hint: "try again",
    });
  }
  const notice = (text: string) => log.info(text);
  return attaching?.allocateEndpoints(database, id, attachmentsOf(options), notice) ??
    [allocateEndpoint(database, id, options.address, notice)];
}
