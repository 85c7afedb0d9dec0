/** Changes a firewall as dhow does, in the host that runs this, for networks that the test has made itself: see networks.ts. */
import { applyFirewall, removeFirewall, restoreFirewall } from "../../src/network/firewall/firewall.ts";
import { letLoopbackPass } from "../../src/network/firewall/loopback.ts";
import { isFirewallUntouched } from "../../src/network/firewall/state.ts";
import type { FilteredNetwork } from "../../src/plan/step.ts";
import { Database } from "../../src/state/database.ts";
import { pathsUnder } from "../../src/state/paths.ts";

const [folder, work, text = "[]"] = Deno.args;
const database = Database.open(pathsUnder(folder));
const networks = JSON.parse(text) as FilteredNetwork[];
if (work === "make" || work === "change") {
  for (const network of networks) {
    await applyFirewall(database, network, { isNew: work === "make" });
    letLoopbackPass(network);
  }
} else if (work === "restore" || work === "reload") {
  await restoreFirewall(database, networks, { all: work === "reload" });
} else if (work === "remove") {
  for (const { bridge } of networks) await removeFirewall(database, bridge);
} else if (work !== "look") throw new Error(`there is no "${work}"`);
Deno.stdout.writeSync(new TextEncoder().encode(isFirewallUntouched(database) ? "untouched\n" : "changed\n"));
database.close();
