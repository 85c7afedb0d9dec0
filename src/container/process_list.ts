/** What ps(1) prints of a container's processes; where the host has no ps, as far as /proc can tell. */
import { DhowError, HostError } from "../errors.ts";
import { findProgram } from "../plan/program.ts";
import { readConfiguration, readIfThere } from "../state/read.ts";

export interface ProcessTable {
  readonly titles: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/**
 * @param pids the processes to list
 * @param options of ps(1); none for `-ef`
 * @throws {DhowError} when ps does not take them, or prints no pids
 */
export async function listProcesses(
  pids: readonly number[],
  options: readonly string[],
): Promise<ProcessTable> {
  const ps = findProgram("ps");
  if (ps !== undefined) return parsePs(await runPs(ps, pids, options.length === 0 ? ["-ef"] : options), pids);
  if (options.length > 0) {
    throw new HostError({
      what: `cannot list processes with ${options.join(" ")}`,
      why: 'this host has no "ps" command',
      hint: "leave the options out, or install it (Debian: apt-get install procps)",
    });
  }
  return readProc(pids);
}

async function runPs(path: string, pids: readonly number[], options: readonly string[]): Promise<string> {
  const run = (...args: string[]) => new Deno.Command(path, { args, stdin: "null" }).output();
  // as docker does: with -q, options that choose by terminal find them as well; not every ps has it
  const chosen = await run(...options, `-q${pids.join(",")}`);
  const { code, stdout, stderr } = chosen.code === 0 ? chosen : await run(...options);
  if (code === 0) return new TextDecoder().decode(stdout);
  const said = new TextDecoder().decode(stderr).trim().split("\n")[0] ?? "";
  throw new DhowError({
    what: `cannot list processes with ps ${options.join(" ")}`,
    why: said || `exit code ${code}`,
  });
}

/** Keeps the lines of some processes. @throws {DhowError} when there is no column of pids */
export function parsePs(text: string, pids: readonly number[]): ProcessTable {
  const [head = "", ...lines] = text.split("\n");
  const titles = head.trim().split(/\s+/);
  const column = titles.indexOf("PID");
  if (column < 0) {
    throw new DhowError({
      what: "cannot list processes",
      why: "Couldn't find PID field in ps output",
      hint: "add pid to its format",
    });
  }
  const wanted = new Set(pids);
  const rows = lines.filter((line) => line.trim() !== "").map((line) => {
    const words = line.trim().split(/\s+/);
    const last = titles.length - 1;
    return [...words.slice(0, last), words.slice(last).join(" ")];
  }).filter((row) => wanted.has(Number(row[column])));
  return { titles, rows };
}

const TITLES = ["UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"];

/** USER_HZ, in which /proc counts: the same on all CPUs that dhow runs on. */
const TICKS = 100;

function readProc(pids: readonly number[]): ProcessTable {
  const bootTime = Number(/^btime (\d+)/m.exec(readIfThere("/proc/stat") ?? "")?.[1] ?? 0);
  const users = new Map(
    (readConfiguration("/etc/passwd") ?? "").split("\n").map((line) => {
      const [name = "", , uid = ""] = line.split(":");
      return [uid, name];
    }),
  );
  const rows = pids.flatMap((pid) => {
    const stat = readIfThere(`/proc/${pid}/stat`);
    const uid = /^Uid:\s+(\d+)/m.exec(readIfThere(`/proc/${pid}/status`) ?? "")?.[1];
    if (stat === undefined || uid === undefined) return []; // it has ended
    const name = stat.slice(stat.indexOf("(") + 1, stat.lastIndexOf(")"));
    const words = (readIfThere(`/proc/${pid}/cmdline`) ?? "").split("\0").join(" ").trim();
    // proc_pid_stat(5), from field 3 on
    const [, parent = "", , , tty = "0", ...rest] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const [user, system, started] = [rest[6], rest[7], rest[14]].map(Number);
    const seconds = Math.floor(((user ?? 0) + (system ?? 0)) / TICKS);
    const age = Date.now() / 1000 - bootTime - (started ?? 0) / TICKS;
    return [[
      users.get(uid) ?? uid,
      String(pid),
      parent,
      String(Math.floor(Math.min(99, 100 * seconds / Math.max(1, age)))),
      startTime(bootTime + (started ?? 0) / TICKS),
      ttyName(Number(tty)),
      [seconds / 3600, seconds / 60 % 60, seconds % 60].map((part) => two(Math.floor(part))).join(":"),
      words === "" ? `[${name}]` : words,
    ]];
  });
  return { titles: TITLES, rows };
}

const two = (number: number) => String(number).padStart(2, "0");

/** As ps has it: the hour within a day, else the day. */
function startTime(seconds: number): string {
  const date = new Date(seconds * 1000);
  if (Date.now() / 1000 - seconds < 86400) return `${two(date.getHours())}:${two(date.getMinutes())}`;
  return `${date.toLocaleString("en-US", { month: "short" })}${two(date.getDate())}`;
}

/** Of a device number: terminals of devpts have the majors 136 to 143. */
function ttyName(device: number): string {
  const major = (device >> 8) & 0xfff;
  if (device === 0) return "?";
  return major >= 136 && major <= 143
    ? `pts/${(device & 0xff) + 256 * (major - 136)}`
    : `tty${device & 0xff}`;
}
