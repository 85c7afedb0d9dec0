import { assert, assertEquals, assertThrows } from "@std/assert";
import { parse } from "../../../src/cli/command.ts";
import { readRunOptions, RUN_OPTIONS } from "../../../src/cli/run_options.ts";
import { UsageError } from "../../../src/errors.ts";

const read = (...args: string[]) =>
  readRunOptions({
    ...parse("dhow run", RUN_OPTIONS, [...args, "sample"], true),
    global: { root: undefined, storage: undefined, debug: false },
  });

Deno.test("limits have docker's names, a soft and a hard value, and the last of several for one holds", () => {
  assertEquals(read("--ulimit", "nofile=64", "--ulimit", "core=0:-1", "--ulimit", "nofile=70:80").rlimits, [
    { name: "nofile", soft: 70, hard: 80 },
    { name: "core", soft: 0, hard: -1 },
  ]);
  const names =
    "core cpu data fsize locks memlock msgqueue nice nofile nproc rss rtprio rttime sigpending stack";
  for (const name of names.split(" ")) {
    assertEquals(
      read(`--ulimit=${name}=-1`).rlimits?.map(({ soft, hard }) => [soft, hard]),
      [[-1, -1]],
      name,
    );
  }
});

Deno.test("the size of /dev/shm is in docker's units, and 0 is the usual one", () => {
  assertEquals(read("--shm-size", "1m").sharedMemorySize, 1 << 20);
  assertEquals(read("--shm-size", "1.5gb").sharedMemorySize, 1.5 * 2 ** 30);
  assertEquals(read("--shm-size", "0").sharedMemorySize, undefined);
});

Deno.test("what is the container's own alone of the kernel's parameters can be set", () => {
  const given = ["kernel.shm_rmid_forced=1", "net.ipv4.ip_local_port_range=1024 2000", "fs.mqueue.msg_max=5"];
  assertEquals(read(...given.flatMap((text) => ["--sysctl", text])).sysctls, {
    "kernel.shm_rmid_forced": "1",
    "net.ipv4.ip_local_port_range": "1024 2000",
    "fs.mqueue.msg_max": "5",
  });
});

Deno.test("clocks of its own are asked for by a mode, or by an offset alone", () => {
  assertEquals(read().timeOffsets, undefined);
  assertEquals(read("--timens", "host").timeOffsets, undefined);
  assertEquals(read("--timens", "private").timeOffsets, { monotonic: 0, boottime: 0 });
  assertEquals(read("--monotonic", "-5").timeOffsets, { monotonic: -5, boottime: 0 });
  assertEquals(read("--boottime=+7", "--timens=private").timeOffsets, { monotonic: 0, boottime: 7 });
});

const REFUSED: readonly (readonly [args: string[], why: RegExp])[] = [
  [["--ulimit", "nofile"], /invalid ulimit argument: nofile$/],
  [["--ulimit", "as=1"], /invalid ulimit type: as$/],
  [["--ulimit", "toString=1"], /invalid ulimit type: toString$/],
  [["--ulimit", "nofile=1:2:3"], /too many limit value arguments - 1:2:3/],
  [["--ulimit", "nofile=x"], /parsing "x": invalid syntax$/],
  [["--ulimit", "nofile=2:1"], /soft limit must be less than or equal to hard limit: soft: 2, hard: 1$/],
  [["--ulimit", "nofile=-1:1"], /soft: -1 \(unlimited\), hard: 1$/],
  [["--shm-size", "much"], /invalid argument "much" for "--shm-size" flag: invalid size: 'much'$/],
  [["--oom-score-adj", "1001"], /Invalid value 1001, range for oom score adj is \[-1000, 1000\]$/],
  [["--oom-score-adj", "low"], /invalid syntax$/],
  [["--sysctl", "kernel.core_pattern=x"], /sysctl 'kernel.core_pattern=x' is not whitelisted$/],
  [["--sysctl", "net.ipv4.ip_forward"], /is not whitelisted$/],
  [["--sysctl", "net.x/../../kernel/core_pattern=x"], /is not whitelisted$/],
  [["--sysctl", "kernel.msgmax/x=x"], /is not whitelisted$/],
  [
    ["--network", "host", "--sysctl", "net.ipv4.ip_forward=1"],
    /"net.ipv4.ip_forward" not allowed in host network/,
  ],
  [["--ipc", "host", "--sysctl", "fs.mqueue.msg_max=5"], /not allowed in the hosts ipc namespace$/],
  [["--cgroupns", "mine"], /--cgroupns: invalid CGROUP mode$/],
  [["--cgroupns", "host", "--userns"], /contradict each other$/],
  [["--timens", "mine"], /--timens: invalid mode; there are private and host$/],
  [["--boottime", "1h"], /invalid argument "1h" for "--boottime" flag: it is no whole number of seconds$/],
  [["--timens", "host", "--boottime", "0"], /contradict each other$/],
];

for (const [args, why] of REFUSED) {
  Deno.test(`${args.join(" ")} is refused, in docker's words`, () => {
    const error = assertThrows(() => read(...args), UsageError);
    assert(why.test(error.message), error.message);
  });
}
