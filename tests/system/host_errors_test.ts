import { assert, assertEquals, assertMatch } from "@std/assert";
import { assertFailure, assertSuccess, runBusybox } from "../support/containers.ts";
import { DHOW, type Host } from "../support/host.ts";
import { busyboxArchive } from "../support/images.ts";
import type { Output } from "../support/process.ts";
import { skip, systemTest } from "../support/system_test.ts";

/** Runs dhow after a script that takes something away, in a mount namespace of their own. */
async function dhowWithout(host: Host, script: string, args: readonly string[]): Promise<Output> {
  return await host.run(["unshare", "--mount", "sh", "-euc", `${script}\nexec "$@"`, "sh", DHOW, ...args]);
}

async function bridged(host: Host): Promise<Output> {
  return await host.dhow(["run", await busyboxArchive(), "echo", "ran"]);
}

systemTest("an ordinary user without a place for images is told how to name one", async (host) => {
  // where everybody can execute it
  await host.shell(
    `cp ${DHOW} /run/dhow-binary && cp ${await busyboxArchive()} /run/image.tar && chmod 755 /run/dhow-binary`,
  );
  const user = ["env", "HOME=/nonexistent", "setpriv", "--reuid", "1000", "--regid", "1000", "--clear-groups"]
    .concat("/run/dhow-binary");
  assertFailure(await host.run([...user, "run", "/run/image.tar", "true"]), 125, /no home/, /--root DIR/);
  const elsewhere = ["env", "XDG_DATA_HOME=/proc/data", ...user.slice(1)];
  assertFailure(await host.run([...elsewhere, "images"]), 1, /\/proc\/data/, /--root DIR/);
  assertFailure(await host.run([...user, "load", "-q", "-i", "/run/image.tar"]), 1, /--root DIR/);
  assertEquals((await host.run([...user, "version"])).code, 0);
  assertEquals((await host.run([...user, "--help"])).code, 0);
  await host.shell("rm /run/dhow-binary /run/image.tar");
});

systemTest("root without the capability to mount is told which one is missing", async (host) => {
  const bounded = ["setpriv", "--bounding-set", "-sys_admin", "--inh-caps", "-sys_admin"];
  const output = await host.run([
    ...bounded,
    DHOW,
    "run",
    "--network",
    "none",
    await busyboxArchive(),
    "true",
  ]);
  assertFailure(output, 125, /permi|CAP_SYS_ADMIN|capabilit/i);
});

systemTest(
  "a host without ip: the bridge cannot be had, and dhow says which package has it",
  async (host) => {
    await host.hide("ip");
    assertFailure(await bridged(host), 125, /\bip\b/, /iproute2/, /--network none/);
  },
);

systemTest(
  "a host without iptables and nft: the bridge cannot be had, and dhow says which package has it",
  async (host) => {
    await host.hide("iptables*", "ip6tables*", "xtables*", "nft");
    assertFailure(await bridged(host), 125, /iptables/, /install/, /--network none/);
  },
);

systemTest("a host without ip and iptables runs containers with --network none and host", async (host) => {
  await host.hide("ip", "iptables*", "ip6tables*", "xtables*", "nft");
  for (const network of ["none", "host"]) {
    const output = await host.dhow([
      "run",
      "--network",
      network,
      await busyboxArchive(),
      "ping",
      "-c",
      "1",
      "127.0.0.1",
    ]);
    assertSuccess(output);
  }
});

systemTest("programs are found where the system keeps them, whatever PATH says", async (host) => {
  const output = await host.run(["env", "PATH=/nowhere", DHOW, "run", await busyboxArchive(), "echo", "ran"]);
  assertEquals([output.stdout, output.stderr], ["ran\n", ""]);
});

systemTest("no cgroup file system: dhow says how to mount one", async (host) => {
  const script =
    "while grep -q ' - cgroup' /proc/self/mountinfo; do umount -R /sys; done; mount -t sysfs sysfs /sys";
  const output = await dhowWithout(host, script, [
    "run",
    "--network",
    "none",
    await busyboxArchive(),
    "true",
  ]);
  assertFailure(output, 125, /cgroup/, /mount -t cgroup/);
});

systemTest("no overlay in the kernel: dhow says how to load it", async (host) => {
  if ((await host.run(["strace", "-V"])).code !== 0) {
    return skip("no overlay in the kernel", "strace, which stands in for such a kernel, is not installed");
  }
  // the second call of mount(2) is the one for overlay
  const inject = [
    "strace",
    "-f",
    "-qq",
    "-o",
    "/dev/null",
    "-e",
    "trace=mount",
    "-e",
    "inject=mount:error=ENODEV:when=2",
  ];
  const output = await host.run([
    ...inject,
    DHOW,
    "run",
    "--network",
    "none",
    await busyboxArchive(),
    "true",
  ]);
  assertFailure(output, 125, /overlay/, /no such device \(ENODEV\)/, /modprobe overlay/);
});

systemTest("a root folder on a file system that overlay cannot use", async (host) => {
  const folder = host.file("");
  const script =
    `mkdir -p ${folder}/u ${folder}/w ${folder}/m; mount -t overlay -o lowerdir=/etc,upperdir=${folder}/u,workdir=${folder}/w overlay ${folder}/m`;
  const args = ["--root", `${folder}/m/root`, "run", "--network", "none", await busyboxArchive(), "true"];
  assertFailure(await dhowWithout(host, script, args), 125, /overlay/, /--root|file system/);
});

systemTest("no space left: dhow says where, and keeps nothing of what it began", async (host) => {
  const folder = host.file("small");
  const archive = await busyboxArchive();
  // run uses the archive where it lies, and needs next to no space
  const load = `${DHOW} --root ${folder} load -q -i ${archive}`;
  const script = `
    mkdir ${folder} && mount -t tmpfs -o size=1500k tmpfs ${folder}
    code=0; ${load} || code=$?
    find ${folder} -mindepth 2 ! -path '*/dhow.db*' ! -name '*.lock' ! -path ${folder}/run/containers
    exit $code
  `;
  const output = await host.run(["unshare", "--mount", "sh", "-c", script]);
  assertFailure(output, 1, /no space left on device/, /small/);
});

systemTest("a root folder that cannot be written to", async (host) => {
  const script = `mkdir ${host.file("ro")} && mount -t tmpfs -o ro tmpfs ${host.file("ro")}`;
  const args = [
    "--root",
    `${host.file("ro")}/root`,
    "run",
    "--network",
    "none",
    await busyboxArchive(),
    "true",
  ];
  assertFailure(await dhowWithout(host, script, args), 125, /read-only file system/i, /--root/);
});

systemTest("a name that is taken", async (host) => {
  await using _ = await running(host, ["--name", "it", "--network", "none"]);
  assertFailure(await runBusybox(host, ["true"], ["--name", "it"]), 125, /"it"/, /name/);
  assertSuccess(await runBusybox(host, ["true"], ["--name", "another"]));
});

systemTest("an address that is taken, and addresses that cannot be", async (host) => {
  await using _ = await running(host, ["--ip", "100.100.1.50"]);
  const ask = async (address: string) =>
    await host.dhow(["run", "--ip", address, await busyboxArchive(), "true"]);
  assertFailure(await ask("100.100.1.50"), 125, /100\.100\.1\.50/, /another container/);
  for (
    const address of ["100.100.1.1", "100.100.1.0", "100.100.1.255", "192.0.2.1", "100.100.1.300", "text"]
  ) {
    assertFailure(
      await ask(address),
      125,
      new RegExp(address.replaceAll(".", "\\.")),
      /100\.100\.1\.2 to 100\.100\.1\.254/,
    );
  }
});

async function running(host: Host, flags: readonly string[]): Promise<AsyncDisposable> {
  const container = host.spawnDhow([
    "run",
    "-i",
    ...flags,
    await busyboxArchive(),
    "sh",
    "-c",
    "echo up; cat",
  ]);
  await container.stdout.until(/up/);
  return {
    async [Symbol.asyncDispose]() {
      await container.output();
      await container[Symbol.asyncDispose]();
    },
  };
}

for (const name of ["a/b", "-x", "a b", ".."]) {
  systemTest(`a name that a container cannot have: ${JSON.stringify(name)}`, async (host) => {
    assertFailure(await runBusybox(host, ["true"], [`--name=${name}`]), 125, /name/);
  });
}

systemTest("no stack trace reaches the user, unless --debug is given", async (host) => {
  const plain = await host.dhow(["run", host.file("missing.tar")]);
  assertEquals(/^\s+at /m.test(plain.stderr), false);
  const debugged = await host.dhow(["--debug", "run", host.file("missing.tar")]);
  assert(/^\s+at /m.test(debugged.stderr), debugged.stderr);
  assertMatch(debugged.stderr, /missing\.tar/);
});
