import config from "../../../deno.json" with { type: "json" };
import { allContainers, isRunning } from "../../container/records.ts";
import { UsageError } from "../../errors.ts";
import { cgroupVersion, hierarchies } from "../../limits/cgroup.ts";
import { readConfiguration, readIfThere } from "../../state/read.ts";
import { FUSE_OVERLAYFS } from "../../rootfs/fuse_overlay.ts";
import { isRootless } from "../../state/user_namespace.ts";
import type { Command } from "../command.ts";
import { pausedOnes } from "../container/rows.ts";
import { binarySize } from "../human.ts";
import { print } from "../output.ts";
import { openSession, type Session } from "../session.ts";
import { storeOf } from "../store_of.ts";
import { Template } from "../template/template.ts";
import { Struct } from "../template/value.ts";

export const command: Command = {
  usage: "[OPTIONS]",
  summary: "Tell about dhow on this machine.",
  options: [{ name: "format", short: "f", value: "TEMPLATE", help: "print by a Go template; json" }],
  async run({ args, options, global }) {
    if (args.length > 0) throw new UsageError({ what: "cannot tell", why: "info takes no arguments" });
    const fields = await gather(await openSession(global, "look at containers"));
    const format = options.text("format") ?? "";
    if (format === "") print(asText(fields));
    else {
      const values = Object.entries(fields).map(([name, value]) => ({ name, value }));
      const template = new Template(format === "json" ? "{{json .}}" : format);
      print(`${template.execute(new Struct("types.Info", values))}\n`);
    }
    return 0;
  },
};

/** Under docker's names, in docker's order. */
type Fields = Readonly<Record<string, string | number>>;

async function gather(session: Session): Promise<Fields> {
  const { database, paths } = session;
  const store = storeOf(session);
  const containers = allContainers(database);
  const isPaused = pausedOnes(containers);
  const running = containers.filter(isRunning);
  const paused = running.filter(isPaused).length;
  const mounted = hierarchies(Deno.readTextFileSync("/proc/self/mountinfo"));
  const system = /^PRETTY_NAME="?(.*?)"?$/m.exec(readConfiguration("/etc/os-release") ?? "")?.[1];
  return {
    Containers: containers.length,
    ContainersRunning: running.length - paused,
    ContainersPaused: paused,
    ContainersStopped: containers.length - running.length,
    Images: store.list().length,
    ServerVersion: config.version,
    Driver: await usesFuse(session) ? FUSE_OVERLAYFS : await store.storage(),
    CgroupVersion: mounted.length === 0 ? "" : String(cgroupVersion(mounted)),
    KernelVersion: Deno.osRelease(),
    OperatingSystem: system ?? "Linux",
    OSType: "linux",
    Architecture: Deno.build.arch,
    NCPU: navigator.hardwareConcurrency,
    MemTotal: 1024 * Number(/^MemTotal:\s+(\d+)/m.exec(readIfThere("/proc/meminfo") ?? "")?.[1] ?? 0),
    Name: Deno.hostname(),
    DockerRootDir: paths.state,
  };
}

/** Whether new containers of this user have fuse-overlayfs. */
async function usesFuse(session: Session): Promise<boolean> {
  if (session.wantsFuse !== undefined || !isRootless()) return session.wantsFuse === true;
  const { overlayObstacle } = await import("../../container/overlay_driver.ts");
  return await overlayObstacle(session) !== null;
}

function asText(fields: Fields): string {
  const { ContainersRunning: running, ContainersPaused: paused, ContainersStopped: stopped } = fields;
  const line = (title: string, name: string) => `${title}: ${fields[name]}`;
  return [
    line("Containers", "Containers"),
    ` Running: ${running}`,
    ` Paused: ${paused}`,
    ` Stopped: ${stopped}`,
    line("Images", "Images"),
    line("Server Version", "ServerVersion"),
    line("Storage Driver", "Driver"),
    line("Cgroup Version", "CgroupVersion"),
    line("Kernel Version", "KernelVersion"),
    line("Operating System", "OperatingSystem"),
    line("OSType", "OSType"),
    line("Architecture", "Architecture"),
    line("CPUs", "NCPU"),
    `Total Memory: ${binarySize(Number(fields["MemTotal"]))}`,
    line("Name", "Name"),
    line("Docker Root Dir", "DockerRootDir").replace("Docker ", "Dhow "),
    "",
  ].join("\n");
}
