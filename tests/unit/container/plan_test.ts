import { assert, assertEquals } from "@std/assert";
import { dirname } from "@std/path";
import type { RunOptions } from "../../../src/container/options.ts";
import type { HostStep, Plan } from "../../../src/plan/step.ts";
import { childStep, childSteps, CHOICES, hostStep, ID, IDS, MONITOR, samplePlan } from "./sample.ts";

const kinds = (plan: Plan) => plan.steps.map((step) => step.do);
const ops = (plan: Plan) => childSteps(plan).map(({ op }) => op);

/** Checks that the steps come in this order, among others. */
function assertOrder<T>(actual: readonly T[], expected: readonly T[]): void {
  const places = expected.map((item) => actual.indexOf(item));
  assert(!places.includes(-1), `${expected[places.indexOf(-1)]} is missing in ${actual}`);
  assertEquals(places, places.toSorted((a, b) => a - b), `${expected} should be the order in ${actual}`);
}

for (const { what, ...choice } of CHOICES) {
  Deno.test({
    name: `a plan for a container ${what} is made without asking the system for anything`,
    permissions: "none",
    fn: () => {
      const plan = samplePlan(choice);
      assertEquals(plan, samplePlan(choice));
      assertEquals(JSON.parse(JSON.stringify(plan)), plan);
    },
  });

  Deno.test(`whatever a container ${what} leaves on the host, the plan says how to take back`, () => {
    const plan = samplePlan(choice);
    const trees = plan.undo.flatMap((undo) => undo.undo === "remove-tree" ? [undo.path] : []);
    const cgroups = plan.undo.flatMap((undo) => undo.undo === "remove-cgroups" ? undo.folders : []);
    const links = plan.undo.flatMap((undo) => undo.undo === "delete-link" ? [undo.link] : []);
    for (const step of plan.steps) {
      for (const path of pathsMadeBy(step)) {
        if (choice.monitor !== undefined && path.startsWith(dirname(choice.monitor.exitPath))) continue; // that stays
        assert(trees.some((tree) => path === tree || path.startsWith(`${tree}/`)), `nobody removes ${path}`);
      }
      if (step.do === "make-cgroups") {
        assertEquals(cgroups, step.folders.map(({ path }) => path));
      }
      for (const link of linksMadeBy(step)) assert(links.includes(link), `nobody deletes ${link}`);
    }
  });

  Deno.test(`a container ${what} takes back nothing that is not its own`, () => {
    for (const undo of samplePlan(choice).undo) {
      const names = undo.undo === "remove-tree"
        ? [undo.path]
        : undo.undo === "remove-cgroups"
        ? undo.folders
        : undo.undo === "delete-link"
        ? [undo.link]
        : [];
      for (const name of names) assert(name.includes(ID.slice(0, 8)), name);
    }
  });

  Deno.test(`the first process of a container ${what} ends as its program, as its user, with no way back`, () => {
    const order = ops(samplePlan(choice));
    assertOrder(order, [
      "join-cgroups",
      ...(choice.options?.cgroupNamespace === "host" ? [] : ["unshare-cgroup"]),
      "make-mounts-private",
      "mount-overlay",
      "open-root",
      "mount",
      ...(choice.options?.uts === "host" ? [] : ["set-hostname"]),
      "new-session",
      "await-release",
      "pivot-root",
      "reset-process",
      "change-directory",
      "set-user",
      "execute",
    ]);
    assertEquals(order.at(-1), "execute");
    assertEquals(order.filter((op) => op === "pivot-root").length, 1);
  });
}

/** Every path that a step makes outside of the container. */
function pathsMadeBy(step: HostStep): string[] {
  if (step.do === "make-directory" || step.do === "write-file") return [step.path];
  if (step.do !== "start-child") return [];
  return step.steps.flatMap((child) =>
    // paths of the stage are in memory
    child.op === "mount-overlay" && child.layersFolder !== "."
      ? [child.target, child.upper ?? "", child.work]
      : []
  );
}

function linksMadeBy(step: HostStep): string[] {
  if (step.do !== "ip" || step.namespace !== "host") return [];
  return step.commands.flatMap((command) => /^link add (\S+)/.exec(command)?.slice(1) ?? []);
}

Deno.test("what must be there before the first process is made before it, and its network while it waits", () => {
  assertOrder(kinds(samplePlan()), [
    "make-directory",
    "write-file",
    "make-cgroups",
    "start-child",
    "make-network",
    "ip",
    "release-child",
  ]);
  assertEquals(kinds(samplePlan()).at(-1), "release-child");
});

Deno.test("folders come before the files in them", () => {
  const made: string[] = ["/run/dhow/containers", "/var/lib/dhow/containers"];
  for (const step of samplePlan().steps) {
    if (step.do === "make-directory") {
      for (let path = step.path; path !== ""; path = path.slice(0, path.lastIndexOf("/"))) made.push(path);
    }
    if (step.do === "write-file") {
      assert(made.includes(step.path.slice(0, step.path.lastIndexOf("/"))), step.path);
    }
  }
});

Deno.test("the ids of a user namespace are mapped before anything else is done in it", () => {
  const plan = samplePlan({ options: { userNamespace: true } });
  assertOrder(kinds(plan), ["start-child", "map-ids", "make-network", "release-child"]);
  assertEquals(ops(plan)[0], "await-id-mapping");
  assertEquals(hostStep(plan, "map-ids").uids, [{ containerID: 0, hostID: 0, size: 1 }]);
  assert(!kinds(samplePlan()).includes("map-ids"));
  assert(!ops(samplePlan()).includes("await-id-mapping"));
});

Deno.test("fuse-overlayfs has mounted a container's root before its first process is there, which only puts it in its place", () => {
  const rootless = {
    hasGroups: true,
    network: undefined,
    ports: [],
    hostNetwork: { kind: "routed" } as const,
    fuse: "/usr/bin/fuse-overlayfs",
  };
  const options = { network: "none" } as const;
  const plan = samplePlan({ rootless, options });
  assertOrder(kinds(plan), ["make-directory", "mount-fuse-overlay", "start-child", "release-child"]);
  assertOrder(ops(plan), ["make-mounts-private", "mount-held", "open-root", "pivot-root"]);
  assert(!ops(plan).includes("mount-overlay"));
  const { name, overlay } = hostStep(plan, "mount-fuse-overlay");
  assertEquals(childStep(plan, "mount-held").name, name);
  assertEquals(childStep(plan, "open-root").path, childStep(plan, "mount-held").target);
  assertEquals([overlay.path, overlay.isVolatile], ["/usr/bin/fuse-overlayfs", true]);
  assertEquals(overlay.lower, ["/var/lib/dhow/layers/2", "/var/lib/dhow/layers/1"]);
  assertEquals(overlay.upper, `/var/lib/dhow/containers/${ID}/diff`);
  const stays = hostStep(samplePlan({ rootless, options, monitor: MONITOR }), "mount-fuse-overlay");
  assertEquals(stays.overlay.isVolatile, false);
  const kernels = samplePlan({
    rootless: { hasGroups: true, network: undefined, ports: [], hostNetwork: { kind: "routed" } as const },
    options,
  });
  assertEquals(childStep(kernels, "mount-overlay").options, ["volatile", "userxattr"]);
});

Deno.test("what a container with ids of its own mounts is held by dhow, and the container is nobody on the host before it mounts it", () => {
  const plan = samplePlan({
    options: { userNamespace: true, ids: IDS },
    idMethod: "mounts",
    user: { uid: 5, gid: 6 },
  });
  assertOrder(kinds(plan), ["hold-trees", "start-child", "map-ids", "release-child"]);
  assertOrder(ops(plan), [
    "await-id-mapping",
    "join-cgroups",
    "become-root",
    "set-stage",
    "mount-overlay",
    "take-held",
    "bind",
  ]);
  const { trees, owner } = hostStep(plan, "hold-trees");
  assertEquals(owner, { uid: 200_000, gid: 300_000 });
  assertEquals(trees.filter(({ isMapped }) => isMapped).map(({ name }) => name), ["lower", ID]);
  const held = trees.flatMap((tree) => tree.kind === "folder" ? [tree.source] : []);
  const binds = childSteps(plan).flatMap((step) => step.op === "take-held" ? [step.name] : []);
  assertEquals(binds, ["/etc/hosts", "/etc/hostname", "/etc/resolv.conf"]);
  assertEquals(held.slice(0, 2), ["/var/lib/dhow/layers", `/var/lib/dhow/containers/${ID}`]);
  // nothing that the child itself opens lies in a folder of dhow's
  const overlay = childStep(plan, "mount-overlay");
  assertEquals([overlay.layersFolder, overlay.lower, overlay.upper, overlay.target], [
    ".",
    ["lower/2", "lower/1"],
    `${ID}/diff`,
    "merged",
  ]);
  assertEquals(hostStep(plan, "start-child").user, { uid: 200_005, gid: 300_006 });
  const owned = plan.steps.flatMap((step) => "owner" in step && "path" in step ? [step.path] : []);
  assertEquals(
    owned,
    ["hosts", "hostname", "resolv.conf"].map((name) => `/run/dhow/containers/${ID}/etc/${name}`),
  );
});

Deno.test("a copy of an image, and what is written over it, belongs to the container's ids on the host", () => {
  const plan = samplePlan({ options: { userNamespace: true, ids: IDS }, idMethod: "copy" });
  const { trees } = hostStep(plan, "hold-trees");
  assertEquals(trees.filter(({ isMapped }) => isMapped), []);
  assertEquals(childStep(plan, "mount-overlay").lower, [`${ID}/image`]);
  const owned = plan.steps.flatMap((step) =>
    step.do === "make-directory" && step.owner !== undefined ? [step.path] : []
  );
  const state = `/var/lib/dhow/containers/${ID}`;
  for (const path of [state, `${state}/diff`, `${state}/work`]) assert(owned.includes(path), path);
});

Deno.test("the child waits as often as its parent lets it go on", () => {
  for (const { what, ...choice } of CHOICES) {
    const plan = samplePlan(choice);
    const waits = ops(plan).filter((op) => op === "await-id-mapping" || op === "await-release").length;
    const releases = kinds(plan).filter((kind) => kind === "map-ids" || kind === "release-child").length;
    assertEquals(waits, releases, what);
  }
});

Deno.test("the cgroup namespace begins at the container's own cgroup, so it is not made by clone", () => {
  const { namespaces } = hostStep(samplePlan(), "start-child");
  assertEquals([...namespaces].toSorted(), ["ipc", "mount", "network", "pid", "uts"]);
});

Deno.test("only a container on the bridge has anything done to the network", () => {
  for (const network of ["none", "host"] as const) {
    const plan = samplePlan({ options: { network } });
    assert(!kinds(plan).some((kind) => kind === "make-network" || kind === "ip"), network);
    assert(!plan.undo.some(({ undo }) => undo === "delete-link"), network);
  }
});

Deno.test("loopback is brought up in a network of its own, and the host's is left alone", () => {
  assert(ops(samplePlan({ options: { network: "none" } })).includes("loopback-up"));
  assert(ops(samplePlan()).includes("loopback-up"));
  const plan = samplePlan({ options: { network: "host" } });
  assert(!ops(plan).includes("loopback-up"));
  assert(!ops(plan).includes("set-sysctl"));
});

Deno.test("a terminal is opened before the parent can take it, and taken before the host's root goes", () => {
  const plan = samplePlan({ options: { terminal: true, interactive: true }, user: { uid: 7 } });
  assertOrder(ops(plan), ["new-session", "open-terminal", "await-release", "take-terminal", "pivot-root"]);
  assertEquals(childStep(plan, "open-terminal").uid, 7);
  assert(!ops(samplePlan()).includes("open-terminal"));
});

Deno.test("standard input is closed unless -i or -t is given", () => {
  assert(ops(samplePlan()).includes("close-input"));
  assert(!ops(samplePlan({ options: { interactive: true } })).includes("close-input"));
  assert(!ops(samplePlan({ options: { terminal: true } })).includes("close-input"));
});

Deno.test("the program gets the words, the variables, the folder and the user of the specification", () => {
  const plan = samplePlan({
    options: { command: ["ls", "-l"], env: ["A=b c"], workingDir: "/a/b" },
    user: { uid: 1000, gid: 1001, additionalGids: [10, 6] },
  });
  assertEquals(childStep(plan, "execute").args, ["ls", "-l"]);
  assert(childStep(plan, "execute").env.includes("A=b c"));
  assertEquals(childStep(plan, "change-directory").path, "/a/b");
  const { uid, gid, groups } = childStep(plan, "set-user");
  assertEquals([uid, gid, groups], [1000, 1001, [10, 6]]);
});

Deno.test("each container's file can be read by any user in it, and written by root only", () => {
  for (const step of samplePlan().steps) if (step.do === "write-file") assertEquals(step.mode, 0o644);
});

Deno.test("every step says why, in a sentence without its period", () => {
  const plan = samplePlan({ options: { terminal: true, userNamespace: true } });
  for (const { why } of [...plan.steps, ...childSteps(plan)]) {
    assert(/^[a-z].*[^.]$/.test(why), JSON.stringify(why));
  }
});

Deno.test("what of the kernel is hidden is hidden once the container's own settings are made, and before its program is", () => {
  for (const { what, ...choice } of CHOICES) {
    const order = ops(samplePlan(choice));
    const first = order.indexOf("mask");
    assert(first > order.lastIndexOf("set-sysctl") && first > order.lastIndexOf("mount"), what);
    assert(order.lastIndexOf("make-read-only") < order.indexOf("pivot-root"), what);
  }
});

Deno.test("a file is hidden by the container's own null device, if it has one of its own", () => {
  const covers = (options: Partial<RunOptions>) =>
    childSteps(samplePlan({ options })).flatMap((step) => step.op === "mask" ? [step.cover] : []);
  assertEquals(covers({}), ["folder", "own-null"]);
  assertEquals(covers({ userNamespace: true }), ["folder", "hosts-null"]);
});
