/** Options of drivers: docker's names, and the short ones of podman. */
import type { Driver } from "./network.ts";

/** What the options of a network say. */
export interface DriverOptions {
  readonly mtu?: number;
  readonly masquerade: boolean;
  readonly masquerade6: boolean;
  /** The host's link that macvlan and ipvlan share. */
  readonly parent?: string;
  readonly mode?: string;
}

const MODES: Readonly<Record<string, readonly string[]>> = {
  macvlan: ["bridge", "vepa", "private", "passthru"],
  ipvlan: ["l2", "l3", "l3s"],
};

/** RFC 791 and RFC 8200 say what every link carries; an interface has no more than 16 bits here. */
const [LEAST_MTU, MOST_MTU] = [68, 65535];

/** The longest name of a link (IFNAMSIZ), without what ip(8) or the kernel would take for something else. */
const LINK = /^[a-zA-Z0-9_][a-zA-Z0-9_.@-]{0,14}$/;

/** @param wrong makes an error of what is wrong */
export function readDriverOptions(
  driver: Driver,
  options: Readonly<Record<string, string>>,
  wrong: (why: string) => Error,
): DriverOptions {
  let [masquerade, masquerade6] = [true, true];
  let mtu: number | undefined;
  let parent: string | undefined;
  let mode: string | undefined;
  const flag = (name: string, value: string) => {
    if (value !== "true" && value !== "false") throw wrong(`--opt ${name} takes true or false`);
    return value === "true";
  };
  for (const [name, value] of Object.entries(options)) {
    const isBridge = driver === "bridge";
    if (name === "mtu" || name === "com.docker.network.driver.mtu") {
      mtu = /^\d{1,5}$/.test(value) ? Number(value) : 0;
      if (mtu < LEAST_MTU || mtu > MOST_MTU) {
        throw wrong(`--opt ${name}=${value}: an MTU is from ${LEAST_MTU} to ${MOST_MTU}`);
      }
    } else if (isBridge && name === "com.docker.network.bridge.enable_ip_masquerade") {
      masquerade = masquerade6 = flag(name, value);
    } else if (isBridge && /^com\.docker\.network\.bridge\.gateway_mode_ipv[46]$/.test(name)) {
      if (value !== "nat" && value !== "routed") throw wrong(`--opt ${name} takes nat or routed`);
      if (name.endsWith("4")) masquerade = value === "nat";
      else masquerade6 = value === "nat";
    } else if (!isBridge && name === "parent") {
      if (!LINK.test(value)) throw wrong(`--opt parent=${value}: that is no name of a link`);
      parent = value;
    } else if (!isBridge && (name === "mode" || name === `${driver}_mode`)) {
      const known = MODES[driver] ?? [];
      if (!known.includes(value)) throw wrong(`--opt ${name} takes ${known.join(", ")}`);
      mode = value;
    } else {
      throw wrong(`a ${driver} network has no --opt ${name}`);
    }
  }
  return {
    masquerade,
    masquerade6,
    ...(mtu === undefined ? {} : { mtu }),
    ...(parent === undefined ? {} : { parent }),
    ...(mode === undefined ? {} : { mode }),
  };
}
