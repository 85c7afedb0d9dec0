/**
 * firewalld(1) rejects what is forwarded between links of zones that do not say otherwise, whatever iptables' rules accept. A bridge
 * becomes a member of its zone `trusted` (firewalld.zones(5)), until firewalld is started anew: dhow's own rules say what passes.
 */
import { HostError } from "../../errors.ts";
import { BusError, SystemBus } from "./dbus.ts";

export const TRUSTED_ZONE = "trusted";

const NAME = "org.fedoraproject.FirewallD1";
const ABSENT = ["org.freedesktop.DBus.Error.ServiceUnknown", "org.freedesktop.DBus.Error.NameHasNoOwner"];

/** Methods of firewalld.dbus(5). */
type ZoneMethod = "getZoneOfInterface" | "addInterface" | "removeInterface";

/**
 * Talks to firewalld, if it runs.
 * @returns undefined when it does not
 * @throws {HostError} when it refuses, or does not answer
 */
async function withFirewalld<T>(what: string, talk: (bus: SystemBus) => Promise<T>): Promise<T | undefined> {
  try {
    using bus = await SystemBus.connect();
    return bus === undefined ? undefined : await talk(bus);
  } catch (cause) {
    if (cause instanceof BusError && ABSENT.includes(cause.error)) return undefined;
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new HostError({
      what,
      why: `firewalld cannot be told over D-Bus: ${why}`,
      hint: "look at: systemctl status firewalld",
      cause,
    });
  }
}

function callZone(bus: SystemBus, member: ZoneMethod, ...texts: string[]): Promise<string | undefined> {
  const path = "/org/fedoraproject/FirewallD1";
  return bus.call({ destination: NAME, path, interface: `${NAME}.zone`, member }, ...texts);
}

/** Whether firewalld runs. It is the bus that is asked, which tells everybody. */
export async function isFirewalldRunning(): Promise<boolean> {
  const owner = await withFirewalld("cannot look for firewalld", async (bus) => {
    const name = "org.freedesktop.DBus";
    const method = {
      destination: name,
      path: "/org/freedesktop/DBus",
      interface: name,
      member: "GetNameOwner",
    };
    return await bus.call(method, NAME);
  });
  return owner !== undefined;
}

/**
 * Puts bridges into the trusted zone, except those that somebody has put into another.
 * @returns those that were put there now, and are to be taken out again
 */
export async function trustBridges(bridges: readonly string[]): Promise<string[]> {
  const work = withFirewalld(
    `cannot put ${bridges.join(", ")} into firewalld's zone "${TRUSTED_ZONE}"`,
    async (bus) => {
      const added: string[] = [];
      for (const bridge of bridges) {
        if (await callZone(bus, "getZoneOfInterface", bridge) !== "") continue;
        await callZone(bus, "addInterface", TRUSTED_ZONE, bridge);
        added.push(bridge);
      }
      return added;
    },
  );
  return await work ?? [];
}

/** Takes a bridge out of the trusted zone, if it is there. */
export async function distrustBridge(bridge: string): Promise<void> {
  await withFirewalld(`cannot take ${bridge} out of firewalld's zone "${TRUSTED_ZONE}"`, async (bus) => {
    if (await callZone(bus, "getZoneOfInterface", bridge) !== TRUSTED_ZONE) return;
    await callZone(bus, "removeInterface", TRUSTED_ZONE, bridge);
  });
}
