import { pathExists } from "../../../ffi/files.ts";
import type { FilteredNetwork } from "../../plan/step.ts";
import { isReachedByLoopback } from "./network.ts";

/** Whether a bridge may carry addresses of the host's loopback (kernel's ip-sysctl.rst). Its rules keep containers from using that. */
export function loopbackSysctl(network: FilteredNetwork): { path: string; value: string } {
  const path = `/proc/sys/net/ipv4/conf/${network.bridge}/route_localnet`;
  return { path, value: isReachedByLoopback(network) ? "1" : "0" };
}

/** Has the host's processes reach published ports by 127.0.0.1, if any is; else not. The rules and the bridge must be there. */
export function letLoopbackPass(network: FilteredNetwork): void {
  const { path, value } = loopbackSysctl(network);
  if (pathExists(path) && Deno.readTextFileSync(path).trim() !== value) Deno.writeTextFileSync(path, value);
}
