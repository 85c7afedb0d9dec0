/** The systemd unit (systemd.service(5)) that starts containers with the machine. */

/** The first line of a unit that dhow wrote: no other is overwritten or removed. */
export const WRITTEN_BY_DHOW = "# Written by: dhow system install";

export const UNIT_FOLDER = "/etc/systemd/system";

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

/** @param command this dhow's own command line, without a command */
export function unitText(command: readonly string[]): string {
  const line = (...words: string[]) =>
    [...command, ...words].map((word, index) => quoted(word, index > 0)).join(" ");
  return [
    WRITTEN_BY_DHOW,
    "[Unit]",
    "Description=Containers of dhow that start and stop with the machine",
    "Wants=network-online.target",
    "After=network-online.target local-fs.target",
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
    "WantedBy=multi-user.target",
    "",
  ].join("\n");
}
