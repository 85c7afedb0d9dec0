import { assertEquals, assertThrows } from "@std/assert";
import { parse } from "../../../src/cli/command.ts";
import { LIMIT_OPTIONS, readDevices, readLimits } from "../../../src/cli/limit_options.ts";
import { parseInteger } from "../../../src/cli/integer.ts";
import { parseSize } from "../../../src/cli/size.ts";
import { OptionError } from "../../../src/errors.ts";

const MIB = 1 << 20;
const given = (...args: string[]) => parse("dhow run", LIMIT_OPTIONS, args, true).options;
const limits = (...args: string[]) => readLimits(given(...args), "cannot run");
const devices = (...args: string[]) => readDevices(given(...args), "cannot run");

Deno.test("limits are read as docker's client reads them", () => {
  assertEquals(limits(), undefined);
  assertEquals(limits("-m", "64m", "--memory-swap=1g", "--memory-reservation", "32MB", "-c", "512"), {
    cpuShares: 512,
    memory: 64 * MIB,
    memoryReservation: 32 * MIB,
    memorySwap: 1024 * MIB,
  });
  assertEquals(limits("--memory-swap", "-1", "--memory-swappiness", "0", "--oom-kill-disable"), {
    memorySwap: -1,
    memorySwappiness: 0,
    oomKillDisable: true,
  });
  const cpus = (text: string) => limits("--cpus", text)?.nanoCpus;
  assertEquals(["1.5", ".5", "2", "0.000000001", "1.50000000000", "-1"].map(cpus), [
    1.5e9,
    5e8,
    2e9,
    1,
    1.5e9,
    -1e9,
  ]);
  assertEquals(limits("--cpuset-cpus", "0-1", "--cpuset-mems", "0"), { cpusetCpus: "0-1", cpusetMems: "0" });
  assertEquals(limits("--cpu-period=5", "--cpu-quota=-1", "--cpu-rt-period=7", "--cpu-rt-runtime=8"), {
    cpuPeriod: 5,
    cpuQuota: -1,
    cpuRealtimePeriod: 7,
    cpuRealtimeRuntime: 8,
  });
  assertEquals(limits("--pids-limit", "-7"), { pidsLimit: 0 });
  assertEquals(
    limits(
      "--blkio-weight-device",
      "/dev/sda:10",
      "--device-read-bps=/dev/sda:1mb",
      "--device-write-iops=/dev/sdb:9",
    ),
    {
      blkioWeightDevice: [{ path: "/dev/sda", amount: 10 }],
      blkioDeviceReadBps: [{ path: "/dev/sda", amount: MIB }],
      blkioDeviceWriteIOps: [{ path: "/dev/sdb", amount: 9 }],
    },
  );
});

Deno.test("0 and nothing are as good as not given", () => {
  const nothing = [
    "-m",
    "0",
    "--memory-swap=0",
    "--cpus",
    "0",
    "--cpu-shares=0",
    "--pids-limit=0",
    "--blkio-weight=0",
  ];
  assertEquals(
    limits(...nothing, "--cpuset-cpus=", "--memory-swappiness=-1", "--oom-kill-disable=false"),
    undefined,
  );
  assertEquals(devices("--cgroup-parent="), {});
});

for (
  const [args, why] of [
    [["-m", "abc"], `invalid argument "abc" for "-m, --memory" flag: invalid size: 'abc'`],
    [["-m", ""], `invalid argument "" for "-m, --memory" flag: invalid size: ''`],
    [["--memory-swap", ""], `invalid argument "" for "--memory-swap" flag: invalid size: ''`],
    [["-m", "-1"], `invalid argument "-1" for "-m, --memory" flag: invalid size: '-1'`],
    [["--memory-swap", "-2"], `invalid argument "-2" for "--memory-swap" flag: invalid size: '-2'`],
    [["--memory-swappiness", "101"], "invalid value: 101. Valid memory swappiness range is 0-100"],
    [
      ["--memory-swappiness", "x"],
      `for "--memory-swappiness" flag: strconv.ParseInt: parsing "x": invalid syntax`,
    ],
    [["--cpus", "x"], `invalid argument "x" for "--cpus" flag: failed to parse x as a rational number`],
    [["--cpus", ""], `failed to parse  as a rational number`],
    [["--cpus", "1.0000000001"], `invalid argument "1.0000000001" for "--cpus" flag: value is too precise`],
    [
      ["-c", "x"],
      `invalid argument "x" for "-c, --cpu-shares" flag: strconv.ParseInt: parsing "x": invalid syntax`,
    ],
    [["--cpu-quota", "99999999999999999999"], "value out of range"],
    [["--pids-limit", "1.5"], `for "--pids-limit" flag: strconv.ParseInt: parsing "1.5": invalid syntax`],
    [
      ["--blkio-weight", "70000"],
      `for "--blkio-weight" flag: strconv.ParseUint: parsing "70000": value out of range`,
    ],
    [["--blkio-weight-device", "/dev/vda"], "bad format: /dev/vda"],
    [["--blkio-weight-device", "vda:50"], "bad format for device path: vda:50"],
    [["--blkio-weight-device", "/dev/vda:5"], "invalid weight for device: /dev/vda:5"],
    [
      ["--device-read-bps", "/dev/vda:x"],
      "invalid rate for device: /dev/vda:x. The correct format is <device-path>:<number>[<unit>]. Number must be a positive integer. Unit is optional and can be kb, mb, or gb",
    ],
    [["--blkio-weight", "-1"], `flag: strconv.ParseUint: parsing "-1": invalid syntax`],
    [["--device-read-iops", "/dev/vda:99999999999999999999"], "invalid rate for device: /dev/vda:9999999999"],
    [
      ["--device-read-iops", "/dev/vda:1m"],
      "invalid rate for device: /dev/vda:1m. The correct format is <device-path>:<number>. Number must be a positive integer",
    ],
  ] as const
) {
  Deno.test(`${args.join(" ")} is refused: ${why}`, () => {
    assertThrows(() => limits(...args), OptionError, why);
  });
}

Deno.test("a device has the host's path, its own, and what may be done with it", () => {
  const read = (text: string) => devices("--device", text).devices?.[0];
  assertEquals(read("/dev/fuse"), { hostPath: "/dev/fuse", path: "/dev/fuse", access: "rwm" });
  assertEquals(read("/dev/fuse:rw"), { hostPath: "/dev/fuse", path: "/dev/fuse", access: "rw" });
  assertEquals(read("/dev/fuse:/dev/x"), { hostPath: "/dev/fuse", path: "/dev/x", access: "rwm" });
  assertEquals(read("/dev/fuse:/dev//x:r"), { hostPath: "/dev/fuse", path: "/dev/x", access: "r" });
  assertEquals(devices("--device-cgroup-rule", "c *:1 rm", "--cgroup-parent", "/a"), {
    deviceRules: ["c *:1 rm"],
    cgroupParent: "/a",
  });
});

for (
  const [args, why] of [
    [["--device", "/dev/null:x"], "x is not an absolute path"],
    [["--device", "/dev/null:/dev/x:q"], "bad mode specified: q"],
    [["--device", "/dev/null:/dev/x:rr"], "bad mode specified: rr"],
    [["--device", "a:b:c:d"], "bad format for path: a:b:c:d"],
    [["--device", ""], "bad format for path: "],
    [["--device-cgroup-rule", "x 1:3 rwm"], `flag: invalid device cgroup format 'x 1:3 rwm'`],
    [["--device-cgroup-rule", "c 1 rwm"], "invalid device cgroup format"],
  ] as const
) {
  Deno.test(`${args.join(" ")} is refused: ${why}`, () => {
    assertThrows(() => devices(...args), OptionError, why);
  });
}

Deno.test("whole numbers are read with Go's prefixes, as docker's client has it", () => {
  const numbers = ["0", "16", "-16", "+16", "0x1F", "0X_1f", "017", "0o17", "0b101", "1_000", "0_7", "-0"];
  assertEquals(numbers.map(parseInteger), [0, 16, -16, 16, 31, 31, 15, 15, 5, 1000, 7, 0]);
  for (
    const wrong of ["", "-", "x", "08", "0x", "0b2", "1__0", "1_", "_1", "1.5", "1e3", " 1", "0x1_", "ff"]
  ) {
    assertEquals(parseInteger(wrong), undefined, wrong);
  }
  assertEquals(limits("-c", "010", "--pids-limit", "0x10", "--blkio-weight", "0x64"), {
    cpuShares: 8,
    pidsLimit: 16,
    blkioWeight: 100,
  });
});

Deno.test("sizes are docker's", () => {
  const sizes = ["1", "1b", "2k", "1.5m", "1 GiB", "1Tb", "3kb"].map(parseSize);
  assertEquals(sizes, [1, 1, 2048, 1.5 * MIB, 1024 * MIB, MIB * MIB, 3072]);
  for (const wrong of ["", "m", "-1", "1x", "1ib", "1  m", "0x1", "9999999p"]) {
    assertEquals(parseSize(wrong), undefined);
  }
});
