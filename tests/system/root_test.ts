import { assert, assertEquals, assertMatch } from "@std/assert";
import { busyboxOutput, busyboxShell, runBusybox } from "../support/containers.ts";
import { systemTest } from "../support/system_test.ts";

/** `/dev/null` and its like: type, numbers and mode, as stat prints them. */
const DEVICES: Readonly<Record<string, string>> = {
  null: "1,3",
  zero: "1,5",
  full: "1,7",
  random: "1,8",
  urandom: "1,9",
  tty: "5,0",
};

systemTest("/proc, /sys, /dev and their parts are mounted, and nothing of the host is", async (host) => {
  const mounts = await busyboxShell(host, "cat /proc/self/mounts");
  const found = new Map(
    mounts.trim().split("\n").map((line) => {
      const [, point = "", type = "", options = ""] = line.split(" ");
      return [point, { type, options: options.split(",") }];
    }),
  );
  const types = (point: string) => found.get(point)?.type;
  assertEquals(types("/"), "overlay");
  assertEquals(types("/proc"), "proc");
  assertEquals(types("/sys"), "sysfs");
  assertEquals(types("/dev"), "tmpfs");
  assertEquals(types("/dev/pts"), "devpts");
  assertEquals(types("/dev/shm"), "tmpfs");
  assertEquals(types("/dev/mqueue"), "mqueue");
  assert(found.get("/sys")?.options.includes("ro"), "/sys is read-only");
  const others = [...found.keys()].filter((point) => !/^\/(proc|sys|dev|etc)(\/|$)|^\/$/.test(point));
  assertEquals(others, []);
});

systemTest("the old root is gone: neither its mounts nor its processes can be reached", async (host) => {
  await host.write("secret", "of the host");
  const seen = await busyboxShell(
    host,
    `
    grep -c overlay /proc/self/mountinfo
    ls -a / | tr '\\n' ' '
    ls /run/host 2>&1 || true
    cat /proc/1/root/run/host/files/secret 2>&1 || true
    cd /; cat ../../../../run/host/files/secret 2>&1 || true
  `,
  );
  const [overlays, root = "", ...rest] = seen.trim().split("\n");
  assertEquals(overlays, "1");
  assert(!/pivot|old/.test(root), root);
  for (const line of rest) assertMatch(line, /No such file or directory/);
});

systemTest("/dev has the usual devices, open to everybody", async (host) => {
  const names = Object.keys(DEVICES);
  const seen = await busyboxOutput(host, [
    "stat",
    "-c",
    "%n %F %t,%T %a %u:%g",
    ...names.map((name) => `/dev/${name}`),
  ]);
  const expected = names.map((name) => `/dev/${name} character special file ${DEVICES[name]} 666 0:0\n`).join(
    "",
  );
  assertEquals(seen, expected);
});

systemTest("the devices work", async (host) => {
  const seen = await busyboxShell(
    host,
    `
    echo lost >/dev/null
    head -c 3 /dev/zero | wc -c
    echo x 2>/dev/null >/dev/full || echo full
    head -c 16 /dev/urandom | wc -c
    (: </dev/tty) 2>/dev/null || echo no terminal
  `,
  );
  assertEquals(seen, "3\nfull\n16\nno terminal\n");
});

systemTest("/dev has nothing but these devices, links and mount points", async (host) => {
  const names = (await busyboxOutput(host, ["ls", "/dev"])).trim().split("\n").sort();
  assertEquals(names, [
    "core",
    "fd",
    "full",
    "mqueue",
    "null",
    "ptmx",
    "pts",
    "random",
    "shm",
    "stderr",
    "stdin",
    "stdout",
    "tty",
    "urandom",
    "zero",
  ]); // deno-fmt-ignore
});

systemTest("/dev/fd, stdin, stdout and stderr lead to the process's own descriptors", async (host) => {
  const seen = await busyboxShell(
    host,
    `
    for name in fd stdin stdout stderr ptmx; do readlink /dev/$name; done
    echo to stdout >/dev/stdout
    echo through fd | cat /dev/fd/0
  `,
  );
  assertEquals(
    seen,
    "/proc/self/fd\n/proc/self/fd/0\n/proc/self/fd/1\n/proc/self/fd/2\npts/ptmx\nto stdout\nthrough fd\n",
  );
});

systemTest("terminals and shared memory are the container's own", async (host) => {
  const seen = await busyboxShell(
    host,
    `
    ls /dev/pts
    stat -c %a /dev/pts/ptmx /dev/shm
    echo kept >/dev/shm/file && cat /dev/shm/file
  `,
  );
  assertEquals(seen, "ptmx\n666\n1777\nkept\n");
  assertEquals(await host.run(["ls", "/dev/shm/file"]).then(({ code }) => code === 0), false);
});

systemTest("/sys shows the container's network and cannot be written to", async (host) => {
  const { stdout, code } = await runBusybox(host, [
    "sh",
    "-c",
    "ls /sys/class/net; mkdir /sys/fs/cgroup/x; echo 1 >/sys/kernel/mm/ksm/run",
  ]);
  assertEquals([stdout, code === 0], ["lo\n", false]);
});

systemTest("the host name is the short id of the container, or what --hostname says", async (host) => {
  const random = await busyboxShell(
    host,
    "hostname; cat /proc/sys/kernel/hostname /etc/hostname; echo $HOSTNAME",
  );
  const names = new Set(random.trim().split("\n"));
  assertEquals(names.size, 1);
  assertMatch([...names][0] ?? "", /^[0-9a-f]{12}$/);
  const chosen = await busyboxShell(host, "hostname; cat /etc/hostname; echo $HOSTNAME", [
    "--hostname",
    "my-docker",
  ]);
  assertEquals(chosen, "my-docker\nmy-docker\nmy-docker\n");
  assertEquals(await host.shell("hostname"), "testhost\n");
});

systemTest("what a container writes is gone with it, and never reaches the image", async (host) => {
  const script =
    "ls /written 2>&1; cat /etc/passwd | wc -l; echo x >/written; echo more >>/etc/passwd; rm -r /bin";
  const first = await runBusybox(host, ["sh", "-c", script]);
  const second = await runBusybox(host, ["sh", "-c", script]);
  assertEquals(second.stdout, first.stdout);
  assertMatch(first.stdout, /No such file/);
});
