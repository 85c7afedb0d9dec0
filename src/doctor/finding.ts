import type { Program, Trial } from "./facts.ts";

/**
 * `works`; `limited`: dhow does without it, in another way or with less; `broken`: no container can run; `unseen`: it could not be
 * seen, or only root can try it.
 */
export type Status = "works" | "limited" | "broken" | "unseen";

/** What there is to say of one thing. */
export interface Finding {
  /** Its name, which stays the same: `network.iptables`. */
  readonly check: string;
  readonly status: Status;
  /** What is so, in a sentence without a capital or a period. */
  readonly text: string;
  /** What dhow does instead, or what cannot be done. */
  readonly instead?: string;
  /** What mends it: a command for a root shell. */
  readonly mend?: string;
}

type Details = Omit<Finding, "check" | "status">;

const finding =
  (status: Status) => (check: string, text: string, rest: Omit<Details, "text"> = {}): Finding => ({
    check,
    status,
    text,
    ...rest,
  });

export const works = finding("works");
export const limited = finding("limited");
export const broken = finding("broken");
export const unseen = finding("unseen");

/** Why a trial failed; undefined when it did not fail. */
export function obstacleOf(trial: Trial): string | undefined {
  return trial === undefined || trial === "works" ? undefined : trial.why;
}

/** Packages with other names than Debian's. */
const PACKAGE_NAMES: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  iproute2: { dnf: "iproute" },
  uidmap: { dnf: "shadow-utils", zypper: "shadow", pacman: "shadow" },
};

const MANAGERS = [
  ["apt-get", "apt-get install"],
  ["dnf", "dnf install"],
  ["zypper", "zypper install"],
  ["pacman", "pacman -S"],
] as const;

/** The command that installs a package on this host, by whichever manager it has. @param name Debian's */
export function installing(name: string, programs: Readonly<Record<Program, string | undefined>>): string {
  const [manager, command] = MANAGERS.find(([manager]) => programs[manager] !== undefined) ?? MANAGERS[0];
  return `${command} ${PACKAGE_NAMES[name]?.[manager] ?? name}`;
}
