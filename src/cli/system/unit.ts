/** The systemd unit (systemd.service(5)) that starts containers with the machine. */

/** The first line of a unit that dhow wrote: no other is overwritten or removed. */
export const WRITTEN_BY_DHOW = "# Written by: dhow system install";

/**
 * Where units lie: those of the machine, or those of an ordinary user's service manager.
 * @param environment HOME and XDG_CONFIG_HOME count
 */
export function unitFolder(isUser: boolean, environment: (name: string) => string | undefined): string {
  if (!isUser) return "/etc/systemd/system";
  return `${environment("XDG_CONFIG_HOME") || `${environment("HOME") ?? ""}/.config`}/systemd/user`;
}

/** The unit's name: each root has its own. */
export function unitName(root: string | undefined): string {
  if (root === undefined) return "dhow.service";
  return `dhow${root.replace(/[^A-Za-z0-9_.]+/g, "-")}.service`;
}

/** A word of a command line of systemd's: quoted, with `%` and, where variables are replaced, `$` doubled. */
function quoted(word: string, replacesVariables: boolean): string {
  const escaped = word.replace(/[\\"]/g, "\\$&").replaceAll("%", "%%");
  return `"${replacesVariables ? escaped.replaceAll("$", "$$$$") : escaped}"`;
}

/**
 * @param command this dhow's own command line, without a command
 * @param isUser whether it is for an ordinary user's service manager, which starts at login, or with the machine (loginctl(1),
 *   enable-linger)
 */
export function unitText(command: readonly string[], isUser = false): string {
  const line = (...words: string[]) =>
    [...command, ...words].map((word, index) => quoted(word, index > 0)).join(" ");
  return [
    WRITTEN_BY_DHOW,
    "[Unit]",
    "Description=Containers of dhow that start and stop with the machine",
    // the units of the machine are not to be seen from a user's
    ...(isUser ? [] : ["Wants=network-online.target", "After=network-online.target local-fs.target"]),
    "",
    "[Service]",
    "Type=oneshot",
    "RemainAfterExit=yes",
    `ExecStart=${line("start", "--all")}`,
    `ExecStop=${line("stop", "--all")}`,
    "# each container has its own time-out",
    "TimeoutStopSec=infinity",
    "# the containers' monitors are no processes of this unit's that would have to end with it",
    "KillMode=process",
    "",
    "[Install]",
    `WantedBy=${isUser ? "default" : "multi-user"}.target`,
    "",
  ].join("\n");
}
