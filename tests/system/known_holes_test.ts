// Attacks that got out of other runtimes, each by its number; docs/security.md lists them all.
import { assert, assertEquals, assertMatch } from "@std/assert";
import { runArchive } from "../support/containers.ts";
import { detachedTest } from "../support/detached.ts";
import { eventually } from "../support/eventually.ts";
import { DHOW } from "../support/host.ts";
import { hostShell } from "../support/host_shell.ts";
import { archive } from "../support/image.ts";
import { busyboxArchive, busyboxLayer } from "../support/images.ts";
import { systemTest } from "../support/system_test.ts";

/** What dhow's own executable needs to run: with it, an image could execute it. */
const LIBRARIES = [
  "-v",
  "/lib:/lib:ro",
  "-v",
  "/lib64:/lib64:ro",
  "-v",
  "/usr/lib:/usr/lib:ro",
  "--network",
  "none",
];

/** A program that executes what executed it. */
const SCRIPT = "printf '#!/proc/self/exe version\\n' >/again; chmod +x /again";

systemTest("CVE-2019-5736: /proc/self/exe of what starts the program is not dhow's file", async (host) => {
  const image = archive({
    layers: [[...busyboxLayer(), { path: "again", content: "#!/proc/self/exe\n", mode: 0o755 }]],
    config: { Env: ["PATH=/bin"] },
  });
  for (const program of ["/proc/self/exe", "/again"]) {
    for (const flags of [[], ["--userns"], ["-u", "1000"]]) {
      const { code, stdout, stderr } = await runArchive(host, image, [program], [...LIBRARIES, ...flags]);
      // dhow's executable would write an error of Deno's
      assertEquals([code, stdout, stderr], [1, "", ""], `${program} ${flags}`);
    }
  }
});

detachedTest(
  "CVE-2019-5736: nor is that of exec, or of a container that runs by itself",
  async (it, host) => {
    await it.named("box", ["sh", "-c", `${SCRIPT}; sleep 1000`], LIBRARIES);
    await it.dhow("exec", "box", "sh", "-c", "until [ -x /again ]; do :; done");
    for (const program of ["/proc/self/exe", "/again"]) {
      const { stdout, stderr } = await host.dhow(["exec", "box", program, "version"]);
      assert(!/standalone|dhow version|Deno/.test(stdout + stderr), stdout + stderr);
    }
    const id = await it.start(["/proc/self/exe"], LIBRARIES);
    assertEquals(await it.dhow("wait", id), "1");
    assertEquals(await it.dhow("logs", id), "");
  },
);

/** Has folders of the host open, and becomes dhow. */
const LEAKING = ["sh", "-c", 'exec 5</run/host 6</run/host/files 7</ 8</proc; exec "$0" "$@"', DHOW];

/** Looks from the working directory for what only the host has. */
const LOOK_UP =
  "cat /proc/self/cwd/etc/hostname host/files/secret files/secret secret; cd ../../../../../../..; ls -d run/host; pwd";

detachedTest(
  "CVE-2024-21626: a working directory in /proc/self/fd leads to no folder of the host",
  async (it, host) => {
    await host.write("secret", "of the host\n");
    await it.named("box");
    const look = ["sh", "-c", `(${LOOK_UP}) 2>/dev/null`];
    for (let fd = 3; fd < 12; fd++) {
      const path = `/proc/self/fd/${fd}`;
      const run = await host.run([...LEAKING, "run", "--network", "none", "-w", path, "busybox", ...look]);
      const exec = await host.run([...LEAKING, "exec", "-w", path, "box", ...look]);
      for (const { stdout } of [run, exec]) assert(stdout === "" || stdout === "/\n", `${path}: ${stdout}`);
    }
  },
);

systemTest("CVE-2024-21626: nor does one of an image, which is a link into /proc/self/fd", async (host) => {
  await host.write("secret", "of the host\n");
  for (let fd = 3; fd < 12; fd++) {
    const link = { path: "work", type: "symlink", target: `/proc/self/fd/${fd}` } as const;
    const image = archive({ layers: [[...busyboxLayer(), link]], config: { WorkingDir: "/work" } });
    const path = await host.write("image.tar", image);
    const look = ["sh", "-c", `(${LOOK_UP}) 2>/dev/null`];
    const { stdout } = await host.run([...LEAKING, "run", "--network", "none", path, ...look]);
    assert(stdout === "" || stdout === "/\n", `${fd}: ${stdout}`);
  }
});

systemTest("CVE-2022-2989: no further groups of who runs dhow are the program's", async (host) => {
  const argv = ["setpriv", "--groups", "6,42", DHOW, "run", "--network", "none", await busyboxArchive()];
  const groups = async (...command: string[]) => (await host.run([...argv, ...command])).stdout;
  const root = await groups("sh", "-c", "grep Groups /proc/self/status");
  assert(!/\b(6|42)\b/.test(root), root);
  const user = await host.run([...argv.slice(0, -1), "-u", "1000:1000", argv.at(-1)!, "id", "-G"]);
  assertEquals(user.stdout, "1000\n");
});

detachedTest(
  "CVE-2020-15257: no socket of dhow's is there for a container with the host's network",
  async (it, host) => {
    await it.start(["sleep", "1000"], ["--network", "host", "--name", "box"]);
    await using exec = host.spawnDhow(["exec", "box", "sleep", "1000"]);
    await using attach = host.spawnDhow(["attach", "box"]);
    await host.pidOf("dhow-exec");
    const seen = await it.dhow("exec", "box", "cat", "/proc/net/unix");
    assert(!/dhow/.test(seen), seen);
    const own = [await exec.hostPid(), await attach.hostPid()];
    for (const { pid, command } of host.processes()) {
      if (!command.includes("dhow") && !own.includes(pid)) continue;
      // one that listens (SO_ACCEPTCON), or has a name: to no other can anybody connect
      const sockets = await host.shell(
        `cd /proc/${pid}/fd 2>/dev/null || exit 0; for fd in *; do readlink $fd || true; done | grep socket || true`,
      );
      const inodes = [...sockets.matchAll(/socket:\[(\d+)\]/g)].map(([, inode]) => inode!);
      const listening = inodes.filter((inode) =>
        new RegExp(`^(\\S+ +){3}(00010000 +\\S+ +\\S+ +${inode}\\b|(\\S+ +){3}${inode} +\\S)`, "m").test(seen)
      );
      assertEquals(listening, [], command);
    }
    await it.dhow("rm", "-f", "box");
  },
);

/** Python of the host, in a container that has none. */
const PYTHON = ["-v", "/usr:/usr:ro", "-v", "/lib:/lib:ro", "-v", "/lib64:/lib64:ro"];

/**
 * Traces processes from the moment they appear until it has held three of them before they became their program, and tells what
 * those had.
 */
const TRACE_NEWCOMERS = `
import ctypes, os, re
libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
SEIZE, INTERRUPT, DETACH, WALL = 0x4206, 0x4207, 17, 0x40000000
def memory(folder):
    with open(folder + "/mem", "rb") as file:
        for line in open(folder + "/maps"):
            first, last = (int(each, 16) for each in line.split()[0].split("-"))
            try:
                file.seek(first)
                yield file.read(last - first)
            except (OSError, ValueError): pass # [vsyscall] and its like cannot be read
print("ready", flush=True)
held = 0
while held < 3:
    pid = int(open("/proc/sys/kernel/ns_last_pid").read()) + 1
    if all(libc.ptrace(SEIZE, pid, 0, 0) != 0 for _ in range(2000)): continue # one that it has missed, perhaps
    libc.ptrace(INTERRUPT, pid, 0, 0)
    if not os.WIFSTOPPED(os.waitpid(pid, WALL)[1]): continue # it has ended
    folder = f"/proc/{pid}"
    if os.readlink(folder + "/exe").startswith("/memfd:"):
        held += 1
        for line in open(folder + "/status"):
            if re.match("Cap|Seccomp:|NoNewPrivs|Uid", line): print(*line.split())
        for fd in os.listdir(folder + "/fd"): print("fd", os.readlink(folder + "/fd/" + fd))
        for name in "cwd", "root": print(name, os.readlink(f"{folder}/{name}"), os.path.exists(f"{folder}/{name}/run/host"))
        print("tells", any(b"do-not-tell" in part for part in memory(folder)), flush=True)
    libc.ptrace(DETACH, pid, 0, 0)
`;

detachedTest(
  "CVE-2016-9962: a container that traces what exec brings in gets nothing that it has not itself",
  async (it, host) => {
    const program = await host.write("trace.py", TRACE_NEWCOMERS);
    const flags = [...PYTHON, "-v", `${program}:/trace.py`, "--cap-add", "SYS_PTRACE", "-u", "0:0"];
    const attack = ["/usr/bin/python3", "/trace.py"];
    const variants = [
      { options: [], of: [], seen: { id: "0 0 0 0", capabilities: "00000000a80c25fb" } },
      { options: ["-u", "1000"], of: [], seen: { id: "1000 1000 1000 1000", capabilities: "0".repeat(16) } },
      {
        options: ["-t"],
        of: ["--security-opt", "no-new-privileges"],
        seen: { id: "0 0 0 0", capabilities: "00000000a80c25fb" },
      },
    ];
    for (const { options, of, seen } of variants) {
      const box = await it.start(attack, [...flags, ...of]);
      await eventually(async () => assertMatch(await it.dhow("logs", box), /^ready/));
      while (await it.status(box) === "Up") {
        // it ends while the attacker does, at times
        await host.dhow(["exec", ...options, box, "true"], { env: { HOST_SECRET: "do-not-tell" } });
      }
      const told = (await it.dhow("logs", box)).split("\n").slice(1);
      const odd = told.filter((line) =>
        !/^fd (\/dev\/null|\/dev\/pts\/.*|\/dev\/ptmx|pipe:.*|anon_inode:.*)$/.test(line)
      );
      assertEquals(
        new Set(odd),
        new Set([
          `Uid: ${seen.id}`,
          "CapInh: " + "0".repeat(16),
          `CapPrm: ${seen.capabilities}`,
          `CapEff: ${seen.capabilities}`,
          "CapBnd: 00000000a80c25fb",
          "CapAmb: " + "0".repeat(16),
          `NoNewPrivs: ${of.length > 0 ? 1 : 0}`,
          "Seccomp: 2",
          "cwd / False",
          "root / False",
          "tells False",
        ]),
      );
    }
  },
);

/** Looks at processes from the moment they appear, until six were seen before they became their program; tells what there was to see. */
const LOOK_AT_NEWCOMERS = `
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
print("ready", flush=True)
def look(folder, name):
    if name in ("exe", "cwd", "root"): return os.readlink(f"{folder}/{name}").split(" ")[0].split("-")[0]
    if name == "fd": return "listed" if os.listdir(folder + "/fd") else "none"
    return "tells" if b"do-not-tell" in open(f"{folder}/{name}", "rb").read(1 << 16) else "silent"
seen, early, last = set(), set(), 0
while len(early) < 6:
    pid = int(open("/proc/sys/kernel/ns_last_pid").read())
    folder = f"/proc/{pid}"
    for name in "exe", "environ", "cwd", "root", "fd":
        try: said = look(folder, name)
        except PermissionError: early.add(pid)
        except OSError: pass
        else:
            if pid != os.getpid(): seen.add((name, said))
            if name == "exe" and not said.startswith(("/memfd:", "/bin/", "/usr/bin/")): early.add(pid) # it is dhow itself
    if pid != os.getpid() and libc.ptrace(0x4206, pid, 0, 0) == 0:
        libc.ptrace(0x4207, pid, 0, 0)
        if os.WIFSTOPPED(os.waitpid(pid, 0x40000000)[1]): seen.add(("traced", look(folder, "exe")))
        libc.ptrace(17, pid, 0, 0)
for each in sorted(seen): print(*each)
`;

detachedTest(
  "CVE-2016-9962: nor does one whose processes another joins, of the dhow that starts that",
  async (it, host) => {
    const program = await host.write("look.py", LOOK_AT_NEWCOMERS);
    const flags = [...PYTHON, "-v", `${program}:/look.py`];
    const box = await it.start(["/usr/bin/python3", "/look.py"], flags);
    await eventually(async () => assertMatch(await it.dhow("logs", box), /^ready/));
    while (await it.status(box) === "Up") {
      const join = ["run", "--rm", "--network", "none", "--pid", `container:${box}`, "busybox", "true"];
      await host.dhow(join, { env: { HOST_SECRET: "do-not-tell" } });
    }
    const told = (await it.dhow("logs", box)).split("\n").slice(1);
    const allowed =
      /^(traced|exe) (\/memfd:dhow|\/bin\/.*)$|^environ silent$|^(cwd|root) \/$|^fd (listed|none)$/;
    assertEquals(told.filter((line) => !allowed.test(line)), []);
    assertEquals(await it.dhow("wait", box), "0");
  },
);

detachedTest("CVE-2020-14370: variables of one container are in no other", async (it) => {
  await it.named("one", ["sleep", "1000"], ["-e", "SECRET=of one"]);
  await it.named("two");
  await it.dhow("exec", "-e", "OTHER=of exec", "one", "true");
  for (const name of ["one", "two"]) {
    const seen = await it.dhow("exec", name, "env");
    assertEquals(/OTHER/.test(seen), false, seen);
    assertEquals(/SECRET/.test(seen), name === "one", seen);
  }
});

systemTest("CVE-2026-30892: a user is a whole number, or a name", async (host) => {
  const image = archive({ layers: [busyboxLayer()] });
  for (const user of ["0x0", "1000abc", " 0", "+0", "-1", "00", "1e3", "4294967296", "2147483648"]) {
    const { code, stdout, stderr } = await runArchive(host, image, ["id", "-u"], ["-u", user]);
    assertEquals([code, stdout], [125, ""], `${JSON.stringify(user)}: ${stderr}`);
    assertMatch(stderr, /^dhow: /);
  }
});

for (const target of ["/run/host/files/victim", "../../../../../run/host/files/victim"]) {
  systemTest(
    `CVE-2024-45310: nothing is made on the host for a mount below a link to ${target}`,
    async (host) => {
      await host.shell("mkdir /run/host/files/victim /run/host/files/data");
      const link = { path: "link", type: "symlink", target } as const;
      const image = archive({ layers: [[...busyboxLayer(), link]] });
      for (
        const [folder, mount] of [["data", "/link/deep/er"], ["data", "/link"], ["made", "/link/a"]] as const
      ) {
        const flags = ["-v", `${host.file(folder)}:${mount}`];
        await runArchive(host, image, ["true"], flags);
        await runArchive(host, image, ["true"], [...flags, "-w", "/link/x/y"]);
      }
      assertEquals(await host.shell("ls -A /run/host/files/victim"), "");
    },
  );
}

detachedTest(
  "CVE-2021-30465: a volume whose folders become links while it is mounted on leads nowhere",
  async (it, host) => {
    await host.shell("mkdir /run/host/files/data && echo mine >/run/host/files/data/file");
    const swap =
      "while :; do mkdir /v/dir; rm -rf /v/dir; ln -s /run /v/dir; rm /v/dir; ln -s /../../etc /v/dir; rm /v/dir; done";
    await it.named("swapper", ["sh", "-c", `${swap} 2>/dev/null`], ["-v", "shared:/v"]);
    const flags = [
      "--rm",
      "--network",
      "none",
      "-v",
      "shared:/v",
      "-v",
      `${host.file("data")}:/v/dir/inner-of-test`,
    ];
    const look =
      "cat /v/dir/inner-of-test/file /run/inner-of-test/file /etc/inner-of-test/file 2>/dev/null; ls -d /run/host";
    for (let round = 0; round < 20; round++) {
      const { code, stdout, stderr } = await host.dhow([
        "run",
        ...flags,
        "busybox",
        "sh",
        "-c",
        `${look} 2>/dev/null; true`,
      ]);
      assert(code === 0 || code === 125, stderr);
      assert(/^(mine\n)*$/.test(stdout), stdout);
      assertEquals(await host.shell("ls -d /run/inner-of-test /etc/inner-of-test 2>/dev/null || true"), "");
    }
    assertEquals(await host.shell("ls -A /run/host/files/data"), "file\n");
    await it.dhow("rm", "-f", "swapper");
    await it.dhow("volume", "rm", "shared");
  },
);

/** Mounts the hierarchies of cgroup v1 there are, and would change who is told of empty cgroups, were it not as it is already. */
const RELEASE_AGENT = `
  mkdir -p /tmp/cgroup
  for controller in $(cut -f 1 /proc/cgroups | grep -v '#') name=systemd; do
    mount -t cgroup -o $controller cgroup /tmp/cgroup 2>/dev/null || continue
    echo mounted
    file=/tmp/cgroup/release_agent
    if [ -e $file ] && [ -z "$(cat $file)" ] && (echo >$file) 2>/dev/null; then echo written; fi
    umount /tmp/cgroup
  done; echo tried`;

detachedTest("CVE-2022-0492: no container sets the release_agent of a cgroup", async (_it, host) => {
  const attack = (flags: readonly string[], ...by: string[]) =>
    host.dhow(["run", "--network", "none", ...PYTHON, ...flags, "busybox", ...by, "sh", "-c", RELEASE_AGENT]);
  const said = async (flags: readonly string[], ...by: string[]) => (await attack(flags, ...by)).stdout;
  assertEquals(await said([]), "tried\n");
  const newNamespaces = ["/usr/bin/unshare", "-UrmC"];
  const refused = await attack([], ...newNamespaces);
  assertEquals([refused.code, refused.stdout], [1, ""]);
  assertMatch(refused.stderr, /unshare failed: Operation not permitted/);
  // there only the kernel is left to refuse it (Linux 5.17): and what can be mounted is the container's own cgroup
  const unconfined = await said(["--security-opt", "seccomp=unconfined"], ...newNamespaces);
  assertEquals(unconfined.replaceAll("mounted\n", ""), "tried\n");
  // the attack gets on where nothing is kept from the container; this host is none whose cgroups have the file
  const hasFirstVersion = /^\d+:[^:]+:/m.test(await host.shell("cat /proc/self/cgroup"));
  const open = await said(["--privileged", "--cgroupns", "host"]);
  assertEquals(/mounted/.test(open), hasFirstVersion, open);
});

/** Gives a program capabilities as its file's: permitted and inheritable ones (linux/capability.h, struct vfs_cap_data). */
const FILE_CAPABILITIES = `
import os, shutil, struct, sys
ALL = 0xffffffff
os.mkdir("/programs")
for name, permitted, inheritable in [("permitted", ALL, 0), ("inheritable", 0, ALL)]:
    os.mkdir("/programs/" + name)
    path = f"/programs/{name}/grep"
    shutil.copy("/bin/busybox", path)
    os.setxattr(path, "security.capability", struct.pack("<5I", 0x02000000, permitted, inheritable, permitted, inheritable))
`;

detachedTest("CVE-2022-24769: nothing is inherited, whatever capabilities a file has", async (it) => {
  const program = await it.host.write("capabilities.py", FILE_CAPABILITIES);
  const dockers = "00000000a80425fb";
  const nothing = "0".repeat(16);
  for (
    const [flags, permitted] of [
      [[], dockers],
      [["--security-opt", "no-new-privileges"], nothing],
      [["--cap-drop", "NET_RAW"], "00000000a80405fb"],
    ] as const
  ) {
    // the health check's user, and exec's, is this one
    const id = await it.start(["sleep", "1000"], [...PYTHON, "-v", `${program}:/give.py`, ...flags]);
    await it.dhow("exec", id, "/usr/bin/python3", "/give.py");
    const seen = (kind: string) =>
      it.dhow(
        "exec",
        "-u",
        "1000",
        id,
        `/programs/${kind}/grep`,
        "-E",
        "^Cap(Inh|Prm|Amb)",
        "/proc/self/status",
      );
    const powers = (prm: string) => `CapInh:\t${nothing}\nCapPrm:\t${prm}\nCapAmb:\t${nothing}`;
    assertEquals(await seen("inheritable"), powers(nothing), flags.join(" "));
    assertEquals(await seen("permitted"), powers(permitted), flags.join(" "));
  }
});

detachedTest(
  "CVE-2019-14271: cp loads and executes nothing of a container's, and waits for none of it",
  async (it, host) => {
    const id = await it.start(["sleep", "1000"]);
    // who opens one of these never comes back
    const trap = `
    mkdir -p /lib /lib64 /usr/lib /lib/x86_64-linux-gnu /lib/aarch64-linux-gnu /usr/bin /etc/pki
    for file in /etc/nsswitch.conf /etc/ld.so.preload /etc/ld.so.cache /etc/resolv.conf.d /etc/localtime /usr/bin/tar \
      /lib/libnss_files.so.2 /lib64/libnss_files.so.2 /usr/lib/libnss_files.so.2 /lib/libc.so.6 /lib64/libc.so.6 \
      /lib/x86_64-linux-gnu/libnss_files.so.2 /lib/aarch64-linux-gnu/libnss_files.so.2 /lib/x86_64-linux-gnu/libc.so.6; do
      rm -f $file; mkfifo $file; done
    rm -f /etc/passwd /etc/group; mkfifo /etc/passwd /etc/group; mkdir /d; echo mine >/d/file`;
    await it.dhow("exec", id, "sh", "-c", trap);
    await it.dhow("cp", `${id}:/d`, "/run/host/files/out");
    await it.dhow("cp", "/run/host/files/out/file", `${id}:/d/copy`);
    await it.dhow("cp", "-a", "/run/host/files/out/file", `${id}:/d/archived`);
    assertEquals(await host.shell("cat /run/host/files/out/file"), "mine\n");
    assertEquals(await it.dhow("exec", "-u", "0:0", id, "cat", "/d/copy", "/d/archived"), "mine\nmine");
  },
);

/** Types into the terminal that it has for its output (tty_ioctl(4)). */
const TYPE = `
import fcntl, os, sys, termios
for fd in 0, 1, 2:
    try:
        for key in b"echo owned >/run/host/files/owned\\n": fcntl.ioctl(fd, termios.TIOCSTI, bytes([key]))
        print("typed")
    except OSError as error: print("refused" if error.errno in (1, 5, 25) else error)
try:
    os.open("/dev/tty", os.O_RDWR)
    print("has a terminal")
except OSError: print("has none")
try: fcntl.ioctl(1, termios.TIOCSCTTY, 1)
except OSError: print("takes none")
`;

detachedTest("what a container writes to the caller's terminal is not typed there", async (it, host) => {
  const program = await host.write("type.py", TYPE);
  const flags = [...PYTHON, "-v", `${program}:/type.py`];
  await it.named("box", ["sleep", "1000"], flags);
  const { terminal } = await hostShell(host);
  await using _terminal = terminal;
  const end = /has none\r\ntakes none\r\n/;
  const attack = ["busybox", "/usr/bin/python3", "/type.py"];
  for (const more of [[], ["-i"]]) {
    await terminal.type(
      `${[DHOW, "run", "--network", "none", ...more, ...flags, ...attack].join(" ")}\r`,
      end,
    );
    await terminal.type(`${[DHOW, "exec", ...more, "box", ...attack.slice(1)].join(" ")}\r`, end);
  }
  await terminal.type("echo still $((6 * 7))\r", /still 42\r\n/);
  assertEquals(await host.shell("ls /run/host/files/owned 2>/dev/null || true"), "");
  assert(!/^typed/m.test(terminal.screen), terminal.screen);
});
