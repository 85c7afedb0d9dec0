/** What a container uses, as its cgroups count it (cgroup-v1/*.rst and cgroup-v2.rst in the kernel's documentation). */
import { readIfThere } from "../state/read.ts";
import { ControllerFolders } from "./controllers.ts";

export interface Usage {
  /** Time that its processes have had of CPUs, in nanoseconds. */
  readonly cpu: number;
  /** When that was read: milliseconds of a clock that only goes forward. */
  readonly at: number;
  /** In bytes, without files that could be dropped at once. */
  readonly memory: number;
  /** What it can have: its limit, or the machine's memory. */
  readonly memoryLimit: number;
  /** Bytes read from disks and written to them. */
  readonly read: number;
  readonly written: number;
  readonly processes: number;
  /** Bytes that came and went over its network; 0 in the host's. */
  readonly received: number;
  readonly sent: number;
}

/** Reads what containers use. */
export class UsageReader {
  readonly #folders = new ControllerFolders();
  readonly #machine = 1024 * Number(/^MemTotal:\s+(\d+)/m.exec(readIfThere("/proc/meminfo") ?? "")?.[1] ?? 0);

  /**
   * @param cgroup a container's, as cgroupName gives it
   * @param pid its first process, for its network; undefined when it shares the host's
   */
  read(cgroup: string, pid: number | undefined): Usage {
    const file = (controller: string, name: string) => {
      const folder = this.#folders.find(controller, cgroup);
      return folder === undefined ? "" : readIfThere(`${folder.path}/${name}`) ?? "";
    };
    const isV2 = this.#folders.find("memory", cgroup)?.version === 2;
    const counted = isV2 ? unified(file) : legacy(file);
    const memoryLimit = Math.min(counted.memoryLimit || Infinity, this.#machine);
    const network = pid === undefined ? NO_NETWORK : traffic(readIfThere(`/proc/${pid}/net/dev`) ?? "");
    return { ...counted, memoryLimit, ...network, at: performance.now() };
  }
}

type Counted = Omit<Usage, "at" | "received" | "sent">;
type ReadFile = (controller: string, name: string) => string;

/** The number after a word at the start of a line. */
const field = (text: string, name: string) =>
  Number(new RegExp(`^${name}[: ]\\s*(\\d+)`, "m").exec(text)?.[1] ?? 0);

function unified(file: ReadFile): Counted {
  const sum = (name: string) =>
    [...file("io", "io.stat").matchAll(new RegExp(`\\b${name}=(\\d+)`, "g"))]
      .reduce((total, [, bytes]) => total + Number(bytes), 0);
  return {
    cpu: 1000 * field(file("cpu", "cpu.stat"), "usage_usec"),
    memory: withoutCache(
      Number(file("memory", "memory.current")),
      field(file("memory", "memory.stat"), "inactive_file"),
    ),
    memoryLimit: Number(file("memory", "memory.max")) || Infinity,
    read: sum("rbytes"),
    written: sum("wbytes"),
    processes: Number(file("pids", "pids.current")),
  };
}

function legacy(file: ReadFile): Counted {
  const io = file("blkio", "blkio.throttle.io_service_bytes_recursive") ||
    file("blkio", "blkio.throttle.io_service_bytes");
  const sum = (operation: string) =>
    [...io.matchAll(new RegExp(`^\\d+:\\d+ ${operation} (\\d+)`, "gm"))]
      .reduce((total, [, bytes]) => total + Number(bytes), 0);
  return {
    cpu: Number(file("cpuacct", "cpuacct.usage")),
    memory: withoutCache(
      Number(file("memory", "memory.usage_in_bytes")),
      field(file("memory", "memory.stat"), "total_inactive_file"),
    ),
    memoryLimit: Number(file("memory", "memory.limit_in_bytes")),
    read: sum("Read"),
    written: sum("Write"),
    processes: Number(file("pids", "pids.current")),
  };
}

/** docker's number (calculateMemUsageUnixNoCache). */
const withoutCache = (all: number, cache: number) => cache < all ? all - cache : all;

const NO_NETWORK = { received: 0, sent: 0 };

/** The bytes of all interfaces but the loopback's (proc_pid_net(5)). */
export function traffic(text: string): { received: number; sent: number } {
  const lines = [...text.matchAll(/^\s*([^:\s]+):\s*(.*)$/gm)].filter(([, name]) => name !== "lo");
  const column = (index: number) =>
    lines.reduce((total, [, , numbers]) => total + Number(numbers!.trim().split(/\s+/)[index] ?? 0), 0);
  return { received: column(0), sent: column(8) };
}
