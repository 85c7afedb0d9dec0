import { assertEquals, assertMatch, assertThrows } from "@std/assert";
import { parse } from "../../../src/cli/command.ts";
import { readRunOptions, RUN_OPTIONS } from "../../../src/cli/run_options.ts";
import { OptionError, UsageError } from "../../../src/errors.ts";
import { OPTIONS as NOTHING } from "../container/sample.ts";

function options(...args: string[]) {
  return readRunOptions({
    ...parse("dhow run", RUN_OPTIONS, args, true),
    global: { root: undefined, storage: undefined, debug: false },
  });
}

Deno.test("without options a container is on the bridge, with nothing of its caller's", () => {
  assertEquals(options("sample"), NOTHING);
});

Deno.test("every option reaches the container", () => {
  const given = options(
    ...["-it", "--rm", "--name", "web", "--hostname", "web1", "--network", "bridge", "--ip", "10.0.0.2"],
    ...[
      "--dns",
      "192.0.2.1",
      "--dns",
      "2001:db8::1",
      "--entrypoint",
      "/init",
      "-e",
      "A=1",
      "-e",
      "B=",
      "-w",
      "/app",
    ],
    ...["-u", "7:8", "--userns", "sample", "ls", "-l"],
  );
  assertEquals(given, {
    ...NOTHING,
    command: ["ls", "-l"],
    interactive: true,
    terminal: true,
    name: "web",
    hostname: "web1",
    address: "10.0.0.2",
    dns: ["192.0.2.1", "2001:db8::1"],
    entrypoint: "/init",
    env: ["A=1", "B="],
    workingDir: "/app",
    user: "7:8",
    userNamespace: true,
    attach: ["stdin", "stdout", "stderr"],
    remove: true,
  });
});

Deno.test("--userns takes its value with =, or the next word if that can only be its value", () => {
  const namespace = (...args: string[]) => {
    const { userNamespace, ids, autoIds, image } = options(...args);
    return { userNamespace, ids, autoIds, image };
  };
  const none = { ids: undefined, autoIds: undefined, image: "sample" };
  assertEquals(namespace("--userns", "sample"), { userNamespace: true, ...none });
  assertEquals(namespace("--userns", "host", "sample"), { userNamespace: false, ...none });
  assertEquals(namespace("--userns=", "sample"), { userNamespace: false, ...none });
  const auto = { ...none, userNamespace: true, autoIds: { uids: [], gids: [] } };
  assertEquals(namespace("--userns", "auto", "sample"), auto);
  assertEquals(namespace("--userns=auto", "sample"), auto);
  assertEquals(namespace("--userns", "--userns=host", "sample").userNamespace, false);
  const one = (containerID: number, hostID: number, size: number) => [{ containerID, hostID, size }];
  assertEquals(namespace("--userns", "auto:size=9,uidmapping=1:2:3,gidmapping=4:5", "sample").autoIds, {
    size: 9,
    uids: one(1, 2, 3),
    gids: one(4, 5, 1),
  });
  assertEquals(namespace("--gidmap", "0:7:9", "sample").ids, { uids: one(0, 7, 9), gids: one(0, 7, 9) });
  assertEquals(namespace("--uidmap", "0:1:2", "--gidmap", "0:7:9", "sample").ids, {
    uids: one(0, 1, 2),
    gids: one(0, 7, 9),
  });
});

Deno.test("an empty --platform leaves the choice to dhow", () => {
  assertEquals(options("--platform", "", "sample"), NOTHING);
});

Deno.test("what is empty is as good as not given", () => {
  const empty = ["name", "hostname", "workdir", "user", "cidfile", "log-driver", "restart"];
  assertEquals(options(...empty.map((name) => `--${name}=`), "sample"), NOTHING);
});

Deno.test("labels come from files, too, and those of the command line win", async () => {
  const file = await Deno.makeTempFile();
  try {
    await Deno.writeTextFile(file, "a=1\n# none\nb\n");
    const { labels } = options("-l", "a=2", "--label-file", file, "-l", "c=d=e", "sample");
    assertEquals(labels, { a: "2", c: "d=e" });
  } finally {
    await Deno.remove(file);
  }
});

Deno.test("a variable without a value is the caller's, and is taken away if the caller has none", () => {
  Deno.env.set("DHOW_TEST_SET", "a=b c");
  Deno.env.delete("DHOW_TEST_UNSET");
  try {
    assertEquals(options("-e", "DHOW_TEST_SET", "-e", "DHOW_TEST_UNSET", "sample").env, [
      "DHOW_TEST_SET=a=b c",
      "DHOW_TEST_UNSET",
    ]);
  } finally {
    Deno.env.delete("DHOW_TEST_SET");
  }
});

Deno.test("the streams that are connected are those that are named, and with -i standard input", () => {
  const attached = (...args: string[]) => options(...args, "sample").attach;
  assertEquals(attached("-i"), ["stdin", "stdout", "stderr"]);
  assertEquals(attached("-a", "stderr", "--attach=STDOUT", "-a", "stderr"), ["stdout", "stderr"]);
  assertEquals(attached("-a", "stdin"), ["stdin"]);
  assertEquals(attached("-i", "-a", "Stdout"), ["stdin", "stdout"]);
  assertEquals(attached("-d", "-i"), []);
});

const REFUSED: readonly [what: string, args: string[], said: string][] = [
  ["no image", [], "IMAGE"],
  ["options without an image", ["--rm"], "IMAGE"],
  ["a network's field that there is not", ["--network", "mine:color=red", "x"], "color"],
  ["a network's field without a value", ["--network", "mine:ip=", "x"], '"ip" has no value'],
  ["two modes", ["--network", "host", "--network", "none", "x"], "give --network host alone"],
  ["a mode twice", ["--network", "none", "--network", "none", "x"], "give --network none alone"],
  ["a network and a mode", ["--network", "mine", "--network", "host", "x"], "cannot attach both"],
  ["two addresses in one network", ["--network", "mine:ip=10.0.0.2", "--ip", "10.0.0.3", "x"], "both --ip"],
  ["a hardware address of a group", ["--mac-address", "01:00:5e:00:00:01", "x"], "not a valid mac address"],
  ["an alias with a space", ["--network", "mine", "--network-alias", "a b", "x"], '"a b"'],
  ["an address without the bridge", ["--network", "none", "--ip", "10.0.0.2", "x"], "--ip"],
  [
    "an alias without a network of dhow's",
    ["--network", "host", "--network-alias", "a", "x"],
    "--network-alias",
  ],
  ["a host name with a space", ["--hostname=a b", "x"], '"a b"'],
  ["a host name with a newline", ["--hostname=a\nb", "x"], "host name"],
  ["a host name that ends with a newline", ["--hostname=a\n", "x"], "host name"],
  ["a host name that begins with a dash", ["--hostname=-a", "x"], '"-a"'],
  ["a host name that is too long", [`--hostname=${"a".repeat(64)}`, "x"], "63"],
  ["a working directory that is not absolute", ["-w", "app", "x"], '"app"'],
  ["a label without a name", ["--label==x", "x"], "no name"],
  ["a label with a space in its name", ["-l", "a b=c", "x"], "'a b' contains whitespaces"],
  ["a log driver that there is not", ["--log-driver=syslog", "x"], '"syslog"'],
  ["a name server by its name", ["--dns", "dns.example", "x"], '"dns.example"'],
  ["a name server with more in its line", ["--dns=192.0.2.1\noptions x", "x"], "name server"],
  ["a variable without a name", ["-e", "=value", "x"], '"=value"'],
  ["an empty variable", ["--env=", "x"], "variable"],
  ["a stream that there is not", ["-a", "tty", "x"], "stdin, stdout, stderr"],
  ["an empty stream", ["--attach=", "x"], "no such stream"],
  ["a stream of one that nobody waits for", ["-d", "-a", "stdout", "x"], "Conflicting options"],
];

for (const [what, args, said] of REFUSED) {
  Deno.test(`${what} is refused before anything is done`, () => {
    assertThrows(() => options(...args), UsageError, said);
  });
}

Deno.test("the longest host name is taken", () => {
  assertEquals(options(`--hostname=${"a".repeat(63)}`, "x").hostname?.length, 63);
});

Deno.test("no two options of run share a name or a letter", () => {
  const names = RUN_OPTIONS.flatMap(({ name, short }) => short === undefined ? [name] : [name, short]);
  assertEquals(new Set(names).size, names.length);
});

Deno.test("a restart policy has a name, and on failure a number of times", () => {
  const policy = (text: string) => options("--restart", text, "sample").restart;
  assertEquals(policy("always"), { name: "always", retries: 0 });
  assertEquals(policy("unless-stopped"), { name: "unless-stopped", retries: 0 });
  assertEquals(policy("on-failure"), { name: "on-failure", retries: 0 });
  assertEquals(policy("on-failure:3"), { name: "on-failure", retries: 3 });
  assertEquals([policy("no"), policy("")], [NOTHING.restart, NOTHING.restart]);
  for (
    const text of ["never", "always:2", "on-failure:-1", "ALWAYS", " always"]
  ) {
    assertThrows(() => policy(text), UsageError, "there is no restart policy");
  }
  for (const text of ["on-failure:", "on-failure:x", "on-failure:1:2"]) {
    assertThrows(() => policy(text), OptionError, "names no number of restarts");
  }
  assertThrows(() => options("--rm", "--restart", "always", "sample"), UsageError, "--restart and --rm");
  assertEquals(options("--rm", "--restart", "no", "sample").remove, true);
});

Deno.test("docker's options for names, groups, logs and ports are taken", () => {
  const given = options(
    ...[
      "--net",
      "none",
      "--add-host",
      "a:10.0.0.1",
      "--add-host",
      "six:2001:db8::1",
      "--dns-search",
      "x.example",
    ],
    ...[
      "--dns-option",
      "ndots:2",
      "--dns-opt",
      "rotate",
      "--domainname",
      "example.org",
      "--group-add",
      "wheel",
    ],
    ...["--group-add", "7", "--expose", "80", "--expose", "90-91/UDP", "--log-driver", "local", "sample"],
  );
  assertEquals(given, {
    ...NOTHING,
    network: "none",
    extraHosts: ["a:10.0.0.1", "six:2001:db8::1"],
    dnsSearch: ["x.example"],
    dnsOptions: ["ndots:2", "rotate"],
    domainName: "example.org",
    groups: ["wheel", "7"],
    exposed: ["80/tcp", "90/udp", "91/udp"],
    log: { driver: "local", maxSize: 20 * 1024 ** 2, maxFiles: 5 },
  });
  assertEquals(options("--log-driver", "none", "sample").log.driver, "none");
  assertEquals(options("--isolation", "default", "--volume-driver", "local", "sample"), NOTHING);
  const joined = options(
    "--network",
    "container:a",
    "--pid",
    "container:b",
    "--ipc",
    "container:c",
    "sample",
  );
  assertEquals([joined.network, joined.pid, joined.ipc], ["container:a", "container:b", "container:c"]);
  assertEquals(options("--volumes-from", "a:ro", "--volumes-from", "b", "sample").volumesFrom, [
    { container: "a", mode: "ro" },
    { container: "b", mode: "" },
  ]);
});

Deno.test("what its programs may do is as in docker's options, and nothing is kept when none is given", () => {
  assertEquals(options("sample").security, undefined);
  const profile = Deno.makeTempFileSync();
  try {
    Deno.writeTextFileSync(profile, "{}");
    const given = ["no-new-privileges", `seccomp=${profile}`, "label=disable"];
    const flags = given.flatMap((text) => ["--security-opt", text]);
    assertEquals(options("--cap-add", "net_admin", "--cap-drop=ALL", ...flags, "sample").security, {
      capAdd: ["net_admin"],
      capDrop: ["ALL"],
      privileged: false,
      noNewPrivileges: true,
      seccomp: { file: profile, profile: "{}" },
      given,
    });
  } finally {
    Deno.removeSync(profile);
  }
  const security = (...texts: string[]) =>
    options(...texts.flatMap((text) => ["--security-opt", text]), "sample").security;
  assertEquals(security("seccomp=unconfined")?.seccomp, "unconfined");
  assertEquals(security("seccomp:unconfined")?.seccomp, "unconfined");
  assertEquals(security("seccomp=builtin")?.seccomp, "default");
  assertEquals(security("no-new-privileges:true", "no-new-privileges=false")?.noNewPrivileges, false);
  const paths = security("systempaths=unconfined", "label=disable");
  assertEquals([paths?.systemPaths, paths?.given], ["unconfined", ["label=disable"]]);
  assertEquals(security("apparmor=unconfined", "label:disable")?.systemPaths, undefined);
  assertEquals(options("--privileged", "sample").security?.privileged, true);
});

for (
  const [args, said] of [
    [["--cap-add", "FOO"], /invalid capability: "FOO": unknown capability: "CAP_FOO"/],
    [["--cap-drop", ""], /unknown capability: "CAP_"/],
    [["--security-opt", "apparmor"], /invalid --security-opt: "apparmor"/],
    [["--security-opt", "systempaths=hidden"], /invalid --security-opt: "systempaths=hidden"/],
    [["--security-opt", "seccomp"], /invalid --security-opt: "seccomp"/],
    [["--security-opt", "no-new-privileges=maybe"], /invalid --security-opt: "no-new-privileges=maybe"/],
    [
      ["--security-opt", "seccomp=/nonexistent"],
      /cannot read the seccomp profile "\/nonexistent": no such file/,
    ],
    [["--security-opt", "seccomp=/"], /cannot read the seccomp profile "\/": is a directory \(EISDIR\)$/],
    [["-p", "1.2.3:80:80"], /Invalid ip address: 1\.2\.3/],
    [["--link", "other"], /there is no --link: containers find each other by their names/],
    [["--runtime", "runc"], /there is no --runtime/],
    [["--isolation", "hyperv"], /Invalid isolation/],
    [["--volume-driver", "nfs"], /volume driver "nfs"/],
    [["--disable-content-trust=false"], /signatures/],
    [["--add-host", "a"], /bad format for add-host: "a"/],
    [["--add-host", "a:b"], /invalid IP address in add-host: "b"/],
    [["--network", "none", "--add-host", "a:host-gateway"], /needs --network bridge/],
    [["--dns-search", "a b"], /no word for resolv.conf/],
    [["--domainname", "a b"], /not a domain name/],
    [["--expose", "bad"], /invalid range format for --expose: bad/],
    [["--expose", "91-90"], /invalid range format/],
    [["--expose", "70000"], /invalid range format/],
    [["--log-driver", "syslog"], /no log driver "syslog"/],
    [["--pid", "other"], /invalid PID mode/],
    [["--ipc", "other"], /Invalid IPC mode/],
    [["--uts", "container:a"], /invalid UTS mode/],
    [["--uts", "host", "-h", "a"], /hostname and the UTS mode/],
    [["--network", "container:a", "--expose", "80"], /port exposing and the container type network mode/],
    [
      ["--network", "container:a", "--add-host", "a:1.2.3.4"],
      /custom host-to-IP mapping and the network mode/,
    ],
    [["--volumes-from", "a:nocopy"], /invalid mode: nocopy/],
    [["--userns=keep-id"], /ordinary user.*--userns takes host, auto/],
    [["--userns=container:a"], /there is no --userns "container:a"/],
    [["--userns", "auto:size=0"], /"size=0" is not understood/],
    [["--userns", "auto:uidmapping=x"], /uidmapping: "x" is no range of ids/],
    [["--uidmap", "1:2:3"], /--uidmap: id 0/],
    [["--uidmap", "0:2:3", "--gidmap", "0:1", "--gidmap", "0:2"], /--gidmap: ids from 0 of the container/],
    [["--uidmap", "0:2:3", "--userns"], /contradict each other/],
    [["--uidmap", "0:2:3", "--ipc", "host"], /contradict each other/],
    [["-v", "/a:/b:idmap"], /idmap is for containers with ids of their own; add --userns auto/],
  ] as const
) {
  Deno.test(`run ${args.join(" ")} is refused with its reason`, () => {
    const { message } = assertThrows(() => options(...args, "sample"), UsageError);
    assertMatch(message, said);
  });
}
