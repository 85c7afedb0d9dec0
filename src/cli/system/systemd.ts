/** What `system install` and `system uninstall` do on the host. */
import { resolve } from "@std/path";
import { HostError } from "../../errors.ts";
import { findProgram, runProgram } from "../../plan/program.ts";
import { unitFolder, unitName, WRITTEN_BY_DHOW } from "./unit.ts";

/** Whether it is an ordinary user's, with a service manager of the user's own. */
const isUser = () => Deno.uid() !== 0;

const folder = () => unitFolder(isUser(), (name) => Deno.env.get(name));

/** Where a root's unit lies. */
export function unitPath(root: string | undefined): string {
  return `${folder()}/${unitName(root === undefined ? undefined : resolve(root))}`;
}

/** The text of a unit that is there; undefined when there is none. */
function readUnit(path: string): string | undefined {
  try {
    return Deno.readTextFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** @throws {HostError} when somebody else has written it */
function assertOwn(path: string, what: string): boolean {
  const text = readUnit(path);
  if (text === undefined) return false;
  if (text.startsWith(WRITTEN_BY_DHOW)) return true;
  throw new HostError({ what, why: `${path} is not from dhow`, hint: "move it away first" });
}

async function systemctl(what: string, ...args: string[]): Promise<void> {
  const path = findProgram("systemctl");
  if (path === undefined) {
    throw new HostError({
      what,
      why: "this host has no systemctl",
      hint: "let what starts services here run: dhow start --all",
    });
  }
  await runProgram(path, isUser() ? ["--user", ...args] : args, { what });
}

/** systemd itself has to be told only where it runs; enable and disable are links in /etc. */
async function tellSystemd(what: string, ...args: string[]): Promise<void> {
  try {
    Deno.statSync(
      isUser()
        ? `${Deno.env.get("XDG_RUNTIME_DIR") ?? "/nonexistent"}/systemd/private`
        : "/run/systemd/system",
    );
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return;
    throw error;
  }
  await systemctl(what, ...args);
}

/** @returns the path of the unit that was written */
export async function installUnit(root: string | undefined, text: string): Promise<string> {
  const what = "cannot install the systemd unit";
  const path = unitPath(root);
  assertOwn(path, what);
  try {
    Deno.mkdirSync(folder(), { recursive: true });
    Deno.writeTextFileSync(path, text, { mode: 0o644 });
  } catch (cause) {
    throw new HostError({ what, why: cause instanceof Error ? cause.message : String(cause), cause });
  }
  await tellSystemd(what, "daemon-reload");
  const name = unitName(root === undefined ? undefined : resolve(root));
  await systemctl(what, "enable", "--quiet", name);
  // only what has been started is stopped with the machine
  await tellSystemd(what, "start", name);
  return path;
}

/** @returns the path of the unit that was removed; undefined when there was none */
export async function uninstallUnit(root: string | undefined): Promise<string | undefined> {
  const what = "cannot remove the systemd unit";
  const path = unitPath(root);
  if (!assertOwn(path, what)) return undefined;
  await systemctl(what, "disable", "--quiet", unitName(root === undefined ? undefined : resolve(root)));
  Deno.removeSync(path);
  await tellSystemd(what, "daemon-reload");
  return path;
}
