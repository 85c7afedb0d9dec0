import { DHOW, Host } from "./host.ts";
import { sameAgain, snapshot } from "./snapshot.ts";

function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
}

/** Why system tests cannot run here; undefined when they can. */
function obstacle(): string | undefined {
  if (Deno.uid() !== 0) return "needs root";
  if (!exists(DHOW)) return `needs ${DHOW}; build it with scripts/build`;
  const missing = ["ip", "iptables", "dnsmasq", "nsenter", "setpriv", "busybox"].filter((program) =>
    !["/usr/sbin", "/usr/bin", "/sbin", "/bin"].some((folder) => exists(`${folder}/${program}`))
  );
  return missing.length === 0 ? undefined : `needs ${missing.join(", ")}; run scripts/setup test`;
}

/** Says that a test did not run, in the form that tests/run.ts collects. */
export function skip(name: string, why: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`SKIP ${name}: ${why}\n`));
}

const reason = obstacle();

/**
 * A test on a host of its own. Whatever the test is about, the host must be as it was when it ends: same mounts, links, rules,
 * cgroups, files, processes.
 * @param prepare makes the host what it is, before all that
 */
export function systemTest(
  name: string,
  test: (host: Host) => Promise<void>,
  prepare?: (host: Host) => Promise<void>,
): void {
  hostTest(name, async (host) => {
    await prepare?.(host);
    await host.dhow(["images"]); // makes the database
    const before = await snapshot(host);
    await test(host);
    await sameAgain(host, before, ["layers"]); // what an archive was unpacked to stays, for the next run
  });
}

/** A test on a host of its own, whatever it leaves there. */
export function hostTest(name: string, test: (host: Host) => Promise<void>): void {
  Deno.test(name, async () => {
    if (reason !== undefined) return skip(name, reason);
    await using host = await Host.start();
    await test(host);
  });
}
