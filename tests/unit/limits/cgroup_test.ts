import { assert, assertEquals, assertThrows } from "@std/assert";
import { EOPNOTSUPP, SystemCallError } from "../../../ffi/errno.ts";
import { HostError } from "../../../src/errors.ts";
import { cgroupLayout, cgroupName, hierarchies } from "../../../src/limits/cgroup.ts";
import { cgroupMountsV1 } from "../../../src/limits/cgroup_mounts.ts";

const ROOT =
  "26 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n22 26 0:20 / /sys rw,nosuid shared:7 - sysfs sysfs rw\n";
const TMPFS = "27 22 0:23 / /sys/fs/cgroup ro,nosuid shared:9 - tmpfs tmpfs ro,mode=755\n";
const line = (id: number, device: string, path: string, type: string, options: string) =>
  `${id} 27 ${device} / ${path} rw,nosuid,nodev,noexec,relatime shared:${id} - ${type} ${type} rw,${options}\n`;

const V2 = ROOT +
  "28 22 0:24 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot\n";
const V1 = ROOT + TMPFS +
  line(29, "0:25", "/sys/fs/cgroup/systemd", "cgroup", "xattr,name=systemd") +
  line(30, "0:26", "/sys/fs/cgroup/cpu,cpuacct", "cgroup", "cpu,cpuacct") +
  line(31, "0:27", "/sys/fs/cgroup/cpuset", "cgroup", "cpuset") +
  line(32, "0:28", "/sys/fs/cgroup/memory", "cgroup", "memory");
const HYBRID = V1 + line(33, "0:29", "/sys/fs/cgroup/unified", "cgroup2", "nsdelegate");

/** What the files of the cpuset hierarchy hold, and nothing else is read. */
const CPUSETS: Readonly<Record<string, string>> = {
  "/sys/fs/cgroup/cpuset/cpuset.cpus": "0-1\n",
  "/sys/fs/cgroup/cpuset/cpuset.mems": "0\n",
};
const read = (path: string) => {
  const text = CPUSETS[path];
  assert(text !== undefined, path);
  return text;
};
const layout = (mountinfo: string, id = "id") => cgroupLayout(mountinfo, id, read);
const paths = (mountinfo: string) => layout(mountinfo).folders.map(({ path }) => path);

Deno.test("on cgroup v2 a container has one folder", () => {
  assertEquals(layout(V2), {
    version: 2,
    parents: [],
    devices: "/sys/fs/cgroup/dhow-id",
    folders: [{
      path: "/sys/fs/cgroup/dhow-id",
      settings: [],
      joinFile: "cgroup.procs",
    }],
  });
});

Deno.test("on cgroup v1 a container has a folder in every hierarchy but that of cpuset alone, named ones too", () => {
  assertEquals(layout(V1).version, 1);
  assertEquals(paths(V1), [
    "/sys/fs/cgroup/systemd/dhow-id",
    "/sys/fs/cgroup/cpu,cpuacct/dhow-id",
    "/sys/fs/cgroup/memory/dhow-id",
  ]);
});

Deno.test("cpuset is told by its controller, also where it shares a hierarchy", () => {
  const together = ROOT + line(29, "0:25", "/sys/fs/cgroup/cpuset", "cgroup", "rw,cpuset,cpu");
  assertEquals(layout(together).folders[0]?.settings, [
    { file: "cpuset.cpus", value: "0-1" },
    { file: "cpuset.mems", value: "0" },
  ]);
  assertEquals(layout(ROOT + line(29, "0:25", "/cpuset", "cgroup", "memory")).folders[0]?.settings, []);
});

Deno.test("cpuset alone is alone with any mount options", () => {
  const options = "cpuset,clone_children,release_agent=/bin/x";
  assertEquals(paths(V1 + line(40, "0:40", "/cpuset", "cgroup", options)), paths(V1));
});

Deno.test("a v1 hierarchy is joined by the file that moves one thread", () => {
  for (const { joinFile } of layout(V1).folders) assertEquals(joinFile, "tasks");
});

Deno.test("a hybrid host counts as v1, and its empty unified hierarchy is left alone", () => {
  assertEquals(layout(HYBRID).version, 1);
  assertEquals(paths(HYBRID), paths(V1));
});

Deno.test("a host without cgroups is told how to mount them", () => {
  for (const mountinfo of ["", ROOT, ROOT + TMPFS]) {
    assertThrows(() => layout(mountinfo), HostError, "mount -t cgroup2");
  }
});

Deno.test("a hierarchy that is mounted in two places counts once", () => {
  const twice = V1 + line(40, "0:28", "/mnt/memory", "cgroup", "memory");
  assertEquals(hierarchies(twice).length, hierarchies(V1).length);
});

Deno.test("mounts with any number of optional fields are read", () => {
  const mountinfo = "28 22 0:24 / /a rw - cgroup2 none rw\n" +
    "29 22 0:25 / /b rw shared:9 master:1 propagate_from:2 unbindable - cgroup2 none rw\n";
  assertEquals(hierarchies(mountinfo).map(({ mountPoint }) => mountPoint), ["/a", "/b"]);
});

Deno.test("a file system that only looks like a cgroup's is none", () => {
  const mountinfo =
    "28 22 0:24 / /cgroup rw - tmpfs cgroup rw\n29 22 0:25 / /x rw - ext4 cgroup2 rw,cgroup\n";
  assertEquals(hierarchies(mountinfo), []);
});

Deno.test("a mount point with a space in it is read as it is", () => {
  const mountinfo = "28 22 0:24 / /my\\040cgroups rw - cgroup2 none rw\n";
  assertEquals(hierarchies(mountinfo)[0]?.mountPoint, "/my cgroups");
});

Deno.test("hierarchies that a later mount hides do not count", () => {
  // on the root of the tmpfs that has them (the second number is the mount below)
  const onTop = V1 + "50 27 0:40 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw\n";
  assertEquals(layout(onTop).version, 2);
  assertEquals(paths(onTop), ["/sys/fs/cgroup/dhow-id"]);
});

Deno.test("nor do those in a mount that a later one hides", () => {
  const onSys = V1 + "60 22 0:50 / /sys rw - sysfs sysfs rw\n";
  assertEquals(hierarchies(onSys), []);
  const anew = onSys + "61 60 0:28 / /sys/fs/cgroup rw - cgroup cgroup rw,memory\n";
  assertEquals(paths(anew), ["/sys/fs/cgroup/dhow-id"]);
});

Deno.test("a root directory that was mounted after /sys hides nothing", () => {
  // as an initramfs leaves it: /sys was moved below the real root, which has the higher number
  const mountinfo =
    "22 60 0:20 / /sys rw - sysfs sysfs rw\n28 22 0:24 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n" +
    "60 1 8:1 / / rw - ext4 /dev/sda1 rw\n";
  assertEquals(paths(mountinfo), ["/sys/fs/cgroup/dhow-id"]);
});

Deno.test("each container has folders of its own", () => {
  const [one, other] = ["a", "b"].map((id) => layout(V1, id).folders);
  const all = [...one ?? [], ...other ?? []].map(({ path }) => path);
  assert(new Set(all).size === all.length);
});

Deno.test("a parent is made in every hierarchy, whichever way it is written, and cannot lead out of it", () => {
  for (const parent of ["a/b", "/a/b", "/a/b/", "a/./b", "../a/b", "/x/../a//b"]) {
    assertEquals(cgroupName("id", parent), "/a/b/dhow-id");
  }
  for (const parent of [undefined, "", "/", "..", "."]) assertEquals(cgroupName("id", parent), "/dhow-id");
  const { parents, folders, devices } = cgroupLayout(V1, "id", read, { parent: "a/b" });
  const memory = parents.filter(({ path }) => path.startsWith("/sys/fs/cgroup/memory"));
  assertEquals(memory.map(({ path }) => path), ["/sys/fs/cgroup/memory/a", "/sys/fs/cgroup/memory/a/b"]);
  assertEquals(folders.at(-1)?.path, "/sys/fs/cgroup/memory/a/b/dhow-id");
  assertEquals(devices, undefined);
});

Deno.test("a container whose CPUs are limited has a cgroup for that alone, and what it does not say from the top", () => {
  const readOrNot = (path: string) => {
    if (path.startsWith("/sys/fs/cgroup/cpuset/a/")) throw new Deno.errors.NotFound(path);
    return read(path);
  };
  const { parents, folders } = cgroupLayout(V1, "id", readOrNot, {
    parent: "a",
    settings: () => ({ cpuset: [{ file: "cpuset.cpus", value: "1" }] }),
  });
  const path = "/sys/fs/cgroup/cpuset/a";
  assertEquals(folders.find((folder) => folder.path === `${path}/dhow-id`)?.settings, [
    { file: "cpuset.mems", value: "0" },
    { file: "cpuset.cpus", value: "1" },
  ]);
  assertEquals(parents.find((parent) => parent.path === path)?.settings, [
    { file: "cpuset.cpus", value: "0-1" },
    { file: "cpuset.mems", value: "0" },
  ]);
});

Deno.test("what a cpuset does not say it has from the one above it, which may have less than the topmost", () => {
  const files: Readonly<Record<string, string>> = {
    ...CPUSETS,
    "/sys/fs/cgroup/cpuset/a/cpuset.cpus": "1\n",
    "/sys/fs/cgroup/cpuset/a/cpuset.mems": "\n",
  };
  const readOrNot = (path: string) => {
    const text = files[path];
    if (text === undefined) throw new Deno.errors.NotFound(path);
    return text;
  };
  const { parents, folders } = cgroupLayout(V1, "id", readOrNot, {
    parent: "a/b",
    settings: () => ({ cpuset: [{ file: "cpuset.mems", value: "0" }] }),
  });
  const settingsOf = (path: string) =>
    [...parents, ...folders].find((each) => each.path === `/sys/fs/cgroup/cpuset${path}`)?.settings;
  assertEquals(settingsOf("/a"), [{ file: "cpuset.mems", value: "0" }]);
  assertEquals(settingsOf("/a/b"), [
    { file: "cpuset.cpus", value: "1" },
    { file: "cpuset.mems", value: "0" },
  ]);
  assertEquals(settingsOf("/a/b/dhow-id"), [
    { file: "cpuset.cpus", value: "1" },
    { file: "cpuset.mems", value: "0" },
  ]);
});

Deno.test("on cgroup v1 each controller's limits are in its hierarchy, also where it shares one", () => {
  const settings = () => ({
    cpu: [{ file: "cpu.shares", value: "5" }],
    memory: [{ file: "memory.limit_in_bytes", value: "6" }],
  });
  const { folders } = cgroupLayout(V1, "id", read, { settings });
  assertEquals(folders.map((folder) => folder.settings.map(({ file }) => file)), [
    [],
    ["cpu.shares"],
    ["memory.limit_in_bytes"],
  ]);
});

/** The parents of a limited container on cgroup v2, where the topmost hands some controllers down. */
function handed(
  active: string,
  controllers: readonly string[],
  parent = "",
  more: Readonly<Record<string, string>> = {},
) {
  const files: Readonly<Record<string, string>> = { "cgroup.subtree_control": `${active}\n`, ...more };
  const readSome = (path: string) => {
    const text = files[path.slice("/sys/fs/cgroup/".length)];
    if (text === "threaded") throw new SystemCallError("read", EOPNOTSUPP);
    if (text === undefined) throw new Deno.errors.NotFound(path);
    return text;
  };
  return cgroupLayout(V2, "id", readSome, { parent, controllers }).parents.map(({ path, settings }) => [
    path,
    ...settings.map(({ file, value }) => `${file} ${value}`),
  ]);
}

Deno.test("on cgroup v2 controllers are handed down where they are not, and nothing is written where they are", () => {
  assertEquals(handed("cpu memory", ["memory"]), []);
  assertEquals(handed("", []), []);
  assertEquals(handed("cpu", ["memory", "pids"]), [[
    "/sys/fs/cgroup",
    "cgroup.subtree_control +memory +pids",
  ]]);
  assertEquals(handed("cpu", ["pids"], "a/b"), [
    ["/sys/fs/cgroup", "cgroup.subtree_control +pids"],
    ["/sys/fs/cgroup/a", "cgroup.subtree_control +cpu +pids"],
    ["/sys/fs/cgroup/a/b", "cgroup.subtree_control +cpu +pids"],
  ]);
});

Deno.test("on cgroup v2 a parent with processes of its own is asked for no more than what is needed", () => {
  const own = { "a/cgroup.procs": "17\n", "a/cgroup.subtree_control": "\n" };
  assertEquals(handed("cpu memory", [], "a", own), [["/sys/fs/cgroup/a"]]);
  assertEquals(handed("cpu memory", ["memory"], "a", own), [
    ["/sys/fs/cgroup/a", "cgroup.subtree_control +memory"],
  ]);
  assertEquals(handed("cpu memory", [], "a", { "a/cgroup.procs": "threaded" }), [["/sys/fs/cgroup/a"]]);
  const handsDown = { "a/cgroup.procs": "", "a/cgroup.subtree_control": "memory\n" };
  assertEquals(handed("cpu memory", ["memory"], "a", handsDown), [
    ["/sys/fs/cgroup/a", "cgroup.subtree_control +cpu"],
  ]);
});

Deno.test("hierarchies of cgroup v1 are mounted again under their names, by what tells them apart", () => {
  assertEquals(cgroupMountsV1(HYBRID), [
    { name: "systemd", options: ["name=systemd"] },
    { name: "cpu,cpuacct", options: ["cpu", "cpuacct"] },
    { name: "cpuset", options: ["cpuset"] },
    { name: "memory", options: ["memory"] },
  ]);
  assertEquals(cgroupMountsV1(V2), []);
});
