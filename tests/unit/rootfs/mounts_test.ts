import { assert, assertEquals } from "@std/assert";
import type { ChildStep } from "../../../src/plan/step.ts";
import type { Device, Mount } from "../../../src/plan/oci.ts";
import {
  arrangeMounts,
  defaultMounts,
  mountSteps,
  sourceSteps,
  withoutWriting,
} from "../../../src/rootfs/mounts.ts";

const USUAL = {
  files: {},
  hasOwnNetwork: true,
  inUserNamespace: false,
  cgroupVersion: 2,
  sharedMemory: "own" as const,
} as const;

const mountsBy = (choice: Partial<Parameters<typeof defaultMounts>[0]>) =>
  new Map(defaultMounts({ ...USUAL, ...choice }).map((mount) => [mount.destination, mount]));

type Step<Op extends ChildStep["op"]> = Extract<ChildStep, { op: Op }>;
const only = <Op extends ChildStep["op"]>(steps: readonly ChildStep[], op: Op) =>
  steps.filter((step): step is Step<Op> => step.op === op);

Deno.test("every container has the file systems that the OCI specification lists", () => {
  const types = Object.fromEntries([...mountsBy({})].map(([path, { type }]) => [path, type]));
  assertEquals(types, {
    "/proc": "proc",
    "/dev": "tmpfs",
    "/dev/pts": "devpts",
    "/dev/shm": "tmpfs",
    "/dev/mqueue": "mqueue",
    "/sys": "sysfs",
    "/sys/fs/cgroup": "cgroup2",
  });
});

Deno.test("a folder is mounted before what lies inside it", () => {
  for (const cgroupVersion of [1, 2] as const) {
    const order = defaultMounts({ ...USUAL, cgroupVersion }).map(({ destination }) => destination);
    for (const [index, path] of order.entries()) {
      const inside = order.findIndex((other) => other.startsWith(`${path}/`));
      assert(inside === -1 || inside > index, `${order[inside]} comes before ${path}`);
    }
  }
});

Deno.test("with cgroup v1 the container sees no cgroups", () => {
  assert(!mountsBy({ cgroupVersion: 1 }).has("/sys/fs/cgroup"));
});

const HIERARCHIES = [{ name: "cpu,cpuacct", options: ["cpu", "cpuacct"] }, {
  name: "systemd",
  options: ["name=systemd"],
}];

Deno.test("hierarchies of cgroup v1 that it may see are mounted in folders of their own, not in a user namespace", () => {
  const choice = { cgroupVersion: 1, privileged: true, hierarchies: HIERARCHIES } as const;
  const steps = only(mountSteps(defaultMounts({ ...USUAL, ...choice }), false, []), "mount");
  const cgroups = steps.filter(({ type }) => type === "cgroup");
  assertEquals(cgroups.map(({ inRoot, options }) => [inRoot, options]), [
    ["/sys/fs/cgroup/cpu,cpuacct", [["cpu", ""], ["cpuacct", ""]]],
    ["/sys/fs/cgroup/systemd", [["name", "systemd"]]],
  ]);
  assert(cgroups.every(({ attributes }) => !attributes.includes("ro")));
  const inside = defaultMounts({ ...USUAL, ...choice, inUserNamespace: true });
  assertEquals(inside.filter(({ type }) => type === "cgroup"), []);
});

Deno.test("with a root that is read-only, /sys can still be written to by a privileged container", () => {
  const usual = defaultMounts({ ...USUAL, cgroupVersion: 1, privileged: true, hierarchies: HIERARCHIES });
  const readOnly = (privileged: boolean) =>
    withoutWriting([...usual, USERS("/etc")], privileged).filter(({ options }) => options.includes("ro"))
      .map(({ destination }) => destination);
  assertEquals(readOnly(true), ["/etc"]);
  assertEquals(readOnly(false), [
    ...["/sys", "/sys/fs/cgroup", "/sys/fs/cgroup/cpu,cpuacct", "/sys/fs/cgroup/systemd", "/etc"],
  ]);
});

Deno.test("what shows the host's kernel is read-only, and nothing but /dev can hold devices", () => {
  for (const choice of [{}, { inUserNamespace: true }, { hasOwnNetwork: false, inUserNamespace: true }]) {
    const mounts = mountsBy(choice);
    for (const path of ["/sys", "/sys/fs/cgroup"]) {
      const mount = mounts.get(path);
      assert(mount === undefined || mount.options.includes("ro"), path);
    }
    for (const [path, { options }] of mounts) {
      assert(options.includes("nosuid"), path);
      if (!["/dev", "/dev/pts"].includes(path)) assert(options.includes("nodev"), path);
    }
  }
});

Deno.test("a user namespace does without the group tty, which it need not map", () => {
  assert(mountsBy({}).get("/dev/pts")?.options.includes("gid=5"));
  assert(!mountsBy({ inUserNamespace: true }).get("/dev/pts")?.options.includes("gid=5"));
});

Deno.test("a user namespace in the host's network binds the host's /sys, which it may not mount", () => {
  const mounts = mountsBy({ inUserNamespace: true, hasOwnNetwork: false });
  const sys = mounts.get("/sys");
  assertEquals(sys?.source, "/sys");
  assert(sys?.options.includes("rbind"));
  assert(!mounts.has("/sys/fs/cgroup"), "it comes with the host's /sys");
  assertEquals(mountsBy({ hasOwnNetwork: false }).get("/sys")?.type, "sysfs");
  assertEquals(mountsBy({ inUserNamespace: true }).get("/sys")?.type, "sysfs");
});

Deno.test("files of the container's own are bound over the image's, writable", () => {
  const hosts = mountsBy({ files: { "/etc/hosts": "/run/x/hosts" } }).get("/etc/hosts");
  assertEquals(hosts, { destination: "/etc/hosts", type: "none", source: "/run/x/hosts", options: ["bind"] });
});

Deno.test("a mount's attributes are told from the options of its file system", () => {
  const [step] = mountSteps(
    [{
      destination: "/dev/shm",
      type: "tmpfs",
      source: "shm",
      options: ["nosuid", "noexec", "nodev", "ro", "mode=1777", "size=65536k"],
    }],
    false,
    [],
  );
  assert(step?.op === "mount");
  assertEquals(step.attributes, ["nosuid", "noexec", "nodev", "ro"]);
  assertEquals(step.options, [["mode", "1777"], ["size", "65536k"]]);
});

Deno.test("a link of the image gives way to the container's file, and only where the image has one", () => {
  const files = { "/etc/hosts": "/run/x/hosts", "/etc/resolv.conf": "/run/x/resolv.conf" };
  const steps = only(mountSteps(defaultMounts({ ...USUAL, files }), true, ["/etc/resolv.conf"]), "bind");
  assertEquals(steps.filter(({ replacesLink }) => replacesLink).map(({ inRoot }) => inRoot), [
    "/etc/resolv.conf",
  ]);
});

Deno.test("a file is bound alone, a folder with what is mounted in it", () => {
  const bind = (option: string) => {
    const [step] = mountSteps(
      [{ destination: "/x", type: "none", source: "/y", options: [option, "ro"] }],
      false,
      [],
    );
    assert(step?.op === "bind");
    return { kind: step.kind, recursive: step.recursive, attributes: step.attributes };
  };
  assertEquals(bind("bind"), { kind: "file", recursive: false, attributes: ["ro"] });
  assertEquals(bind("rbind"), { kind: "directory", recursive: true, attributes: ["ro"] });
});

Deno.test("/dev gets its devices and links right after it is mounted, before anything else in it", () => {
  const steps = mountSteps(defaultMounts(USUAL), false, []);
  const dev = steps.findIndex((step) => step.op === "mount" && step.inRoot === "/dev");
  const next = steps.findIndex((step, index) => index > dev && step.op === "mount");
  const between = steps.slice(dev + 1, next).map(({ op }) => op);
  assertEquals(new Set(between), new Set(["make-device", "make-symlink"]));
  assertEquals(only(steps, "make-device").length + only(steps, "make-symlink").length, between.length);
});

Deno.test("the devices are those of the OCI specification, with the kernel's numbers, open to all", () => {
  const devices = only(mountSteps(defaultMounts(USUAL), false, []), "make-device");
  assertEquals(devices.map(({ inRoot, major, minor, mode }) => [inRoot, major, minor, mode]), [
    ["/dev/null", 1, 3, 0o666],
    ["/dev/zero", 1, 5, 0o666],
    ["/dev/full", 1, 7, 0o666],
    ["/dev/random", 1, 8, 0o666],
    ["/dev/urandom", 1, 9, 0o666],
    ["/dev/tty", 5, 0, 0o666],
  ]);
});

const device = (path: string, more: Partial<Device> = {}): Device => ({
  path,
  type: "b",
  major: 7,
  minor: 300,
  fileMode: 0o660,
  uid: 0,
  gid: 6,
  ...more,
});

Deno.test("devices that were asked for come after all mounts, and those that all have give way to them", () => {
  const mounts = arrangeMounts(defaultMounts(USUAL), [USERS("/dev/x")]);
  const own = device("/dev/zero", { type: "c", uid: 0, gid: 0 });
  const steps = mountSteps(mounts, false, [], [device("/dev/disk"), own, device("/opt/disk")]);
  assertEquals(steps.slice(-4).map((step) => "inRoot" in step && step.inRoot), [
    "/dev/x",
    "/dev/disk",
    "/dev/zero",
    "/opt/disk",
  ]);
  const devices = only(steps, "make-device");
  assertEquals(devices.filter(({ inRoot }) => inRoot === "/dev/zero").length, 1);
  const [disk, zero, other] = devices.slice(-3);
  assertEquals([disk!.type, disk!.major, disk!.minor, disk!.mode, disk!.owner, disk!.followsLinks], [
    ...["b", 7, 300, 0o660, { uid: 0, gid: 6 }, false],
  ]);
  assertEquals([zero!.owner, zero!.followsLinks, other!.followsLinks], [undefined, false, true]);
});

Deno.test("no device is made in what the user has mounted as /dev", () => {
  const mounts = arrangeMounts(defaultMounts(USUAL), [USERS("/dev")]);
  const steps = mountSteps(mounts, false, [], [device("/dev/disk"), device("/opt/disk")]);
  assertEquals(only(steps, "make-device").map(({ inRoot }) => inRoot), ["/opt/disk"]);
});

Deno.test("a user namespace, which may not make devices, gets the host's", () => {
  const steps = mountSteps(defaultMounts({ ...USUAL, inUserNamespace: true }), true, []);
  assertEquals(only(steps, "make-device"), []);
  const bound = only(steps, "bind").filter(({ inRoot }) => inRoot.startsWith("/dev/"));
  assertEquals(bound.length, 6);
  for (const { source, inRoot, kind, recursive } of bound) {
    assertEquals([source, kind, recursive], [inRoot, "file", false]);
  }
});

Deno.test("/dev has the links that programs expect", () => {
  const links = only(mountSteps(defaultMounts(USUAL), false, []), "make-symlink");
  const targets = Object.fromEntries(links.map(({ inRoot, target }) => [inRoot, target]));
  assertEquals(targets["/dev/ptmx"], "pts/ptmx");
  assertEquals(targets["/dev/fd"], "/proc/self/fd");
  assertEquals(["stdin", "stdout", "stderr"].map((name) => targets[`/dev/${name}`]), [
    "/proc/self/fd/0",
    "/proc/self/fd/1",
    "/proc/self/fd/2",
  ]);
});

const USERS = (destination: string): Mount => ({
  destination,
  type: "bind",
  source: "/s",
  options: ["rbind"],
});

Deno.test("a user's mounts come first and outermost first; those in /dev and /sys after the usual ones", () => {
  const usual = defaultMounts(USUAL);
  const users = ["/a/b/c", "/dev/x", "/a", "/sys/y", "/a/b"].map(USERS);
  const order = arrangeMounts(usual, users).map(({ destination }) => destination);
  assertEquals(order.slice(0, 3), ["/a", "/a/b", "/a/b/c"]);
  assertEquals(order.slice(-2), ["/dev/x", "/sys/y"]);
  assertEquals(order.slice(3, -2), usual.map(({ destination }) => destination));
});

Deno.test("a user's mount takes the place of a usual one, and one on /dev of all that would be in it", () => {
  const order = (path: string) => arrangeMounts(defaultMounts(USUAL), [USERS(path)]);
  assertEquals(order("/dev/shm").filter(({ destination }) => destination === "/dev/shm"), [
    USERS("/dev/shm"),
  ]);
  assertEquals(order("/dev").filter(({ destination }) => destination.startsWith("/dev")), [USERS("/dev")]);
  assertEquals(only(mountSteps(order("/dev"), false, []), "make-device"), []);
});

Deno.test("links of the image are followed for a user's targets only, and in folders of the user's", () => {
  const usual = defaultMounts({ ...USUAL, files: { "/etc/hosts": "/run/hosts" } });
  const mounts = arrangeMounts(usual, [USERS("/etc"), USERS("/dev/x")]);
  const steps = only(mountSteps(mounts, false, ["/etc/hosts"]), "bind");
  const told = steps.map((
    { inRoot, followsLinks, replacesLink },
  ) => [inRoot, followsLinks === true, replacesLink]);
  assertEquals(told, [["/etc", true, false], ["/etc/hosts", true, false], ["/dev/x", false, false]]);
});

Deno.test("what shares its mounts with the host is opened before nothing is shared any more", () => {
  const shared = { ...USERS("/a"), options: ["rbind", "rslave"] };
  assertEquals(sourceSteps([shared, USERS("/b")]).map((step) => step.op === "open-source" && step.inRoot), [
    "/a",
  ]);
  const [bind] = mountSteps([shared], false, []);
  assert(bind?.op === "bind");
  assertEquals(bind.propagation, "slave");
});

Deno.test("what holds the hierarchies of cgroup v1 is read-only once all of them are there", () => {
  const hierarchies = [{ name: "memory", options: ["memory"] }, { name: "pids", options: ["pids"] }];
  const steps = mountSteps(defaultMounts({ ...USUAL, cgroupVersion: 1, hierarchies }), false, []);
  const found = steps.flatMap((step) =>
    (step.op === "mount" || step.op === "make-read-only") && step.inRoot.startsWith("/sys/fs/cgroup")
      ? [`${step.op} ${step.inRoot} ${step.op === "mount" && step.attributes.includes("ro")}`]
      : []
  );
  assertEquals(found, [
    "mount /sys/fs/cgroup false",
    "mount /sys/fs/cgroup/memory true",
    "mount /sys/fs/cgroup/pids true",
    "make-read-only /sys/fs/cgroup false",
  ]);
  const privileged = { ...USUAL, cgroupVersion: 1, hierarchies, privileged: true } as const;
  assertEquals(only(mountSteps(defaultMounts(privileged), false, []), "make-read-only"), []);
});
