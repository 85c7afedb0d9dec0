import { assertEquals, assertMatch } from "@std/assert";
import { busyboxOutput, busyboxShell, runBusybox } from "../support/containers.ts";
import { DHOW } from "../support/host.ts";
import { sha256 } from "../support/image.ts";
import { busyboxArchive } from "../support/images.ts";
import { systemTest } from "../support/system_test.ts";

systemTest("standard output and standard error stay apart", async (host) => {
  const { stdout, stderr } = await runBusybox(host, ["sh", "-c", "echo out; echo err >&2"]);
  assertEquals([stdout, stderr], ["out\n", "err\n"]);
});

systemTest("with -i the program reads what dhow reads, byte for byte", async (host) => {
  const data = Uint8Array.from({ length: 3_000_000 }, (_, index) => (index * 7919) >> 3 & 0xff);
  const { bytes, stderr, code } = await runBusybox(host, ["cat"], ["-i"], { stdin: data });
  assertEquals([code, stderr, sha256(bytes)], [0, "", sha256(data)]);
});

systemTest("without -i standard input is empty", async (host) => {
  const { stdout, code } = await runBusybox(host, ["sh", "-c", "readlink /proc/self/fd/0; wc -c"], [], {
    stdin: "not for you",
  });
  assertEquals([stdout, code], ["/dev/null\n0\n", 0]);
});

systemTest("much output is not lost and does not fill memory", async (host) => {
  const script =
    `${DHOW} run --network none ${await busyboxArchive()} dd if=/dev/zero bs=1M count=200 2>/dev/null | wc -c`;
  assertEquals(await host.shell(script), `${200 * 1024 * 1024}\n`);
});

systemTest("a program that writes to a closed pipe is ended by SIGPIPE", async (host) => {
  const archive = await busyboxArchive();
  // not as process 1, to which the kernel delivers no signal that it does not handle
  const command = `sh -c 'yes; echo "code $?" >&2; true'`;
  const { stdout, stderr } = await host.run([
    "sh",
    "-c",
    `${DHOW} run --network none ${archive} ${command} | head -n 1`,
  ]);
  assertEquals([stdout, stderr], ["y\n", "code 141\n"]);
});

systemTest("standard input that ends early does not stop the program", async (host) => {
  const { stdout } = await runBusybox(host, ["sh", "-c", "cat; echo done"], ["-i"], { stdin: "" });
  assertEquals(stdout, "done\n");
});

systemTest("a program that does not read its input is not held up by it", async (host) => {
  const { stdout, code } = await runBusybox(host, ["echo", "done"], ["-i"], { stdin: "x".repeat(1_000_000) });
  assertEquals([stdout, code], ["done\n", 0]);
});

systemTest("standard streams may be closed", async (host) => {
  const script = `${DHOW} run --network none ${await busyboxArchive()} sh -c 'exit 3' <&- >&- 2>&-`;
  const { code } = await host.run(["sh", "-c", script]);
  assertEquals(code, 3);
});

systemTest("the program has the signals of a fresh process: none ignored, none blocked", async (host) => {
  const seen = await busyboxOutput(host, ["grep", "-E", "Sig(Ign|Blk)", "/proc/self/status"]);
  assertEquals(seen, "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
});

systemTest(
  "the program has the host's limit of open files, not the one that dhow raised for itself",
  async (host) => {
    const archive = await busyboxArchive();
    const script =
      `ulimit -Sn 321; ulimit -Hn; ${DHOW} run --network none ${archive} sh -c 'ulimit -Sn; ulimit -Hn'`;
    const [hard, soft, hardInside] = (await host.shell(script)).trim().split("\n");
    assertEquals([soft, hardInside], ["321", hard]);
  },
);

systemTest("the program has no open file but its three streams", async (host) => {
  const archive = await busyboxArchive();
  // 3 is the folder that ls lists
  const script = `exec 7</etc/hosts; ${DHOW} run --network none ${archive} ls /proc/self/fd`;
  assertEquals(await host.shell(script), "0\n1\n2\n3\n");
});

systemTest("the program has the usual umask and no terminal", async (host) => {
  const seen = await busyboxShell(host, "umask; tty || true");
  assertMatch(seen, /^0022\nnot a tty\n$/);
});
