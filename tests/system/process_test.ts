import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { assertSuccess, runArchive } from "../support/containers.ts";
import type { ProcessConfig } from "../support/image.ts";
import type { Host } from "../support/host.ts";
import { busyboxWith } from "../support/images.ts";
import { systemTest } from "../support/system_test.ts";

/** What a container of an image with such a config prints. */
async function output(
  host: Host,
  config: ProcessConfig,
  command: string[] = [],
  flags: string[] = [],
): Promise<string> {
  const result = await runArchive(host, busyboxWith(config), command, flags);
  assertSuccess(result);
  return result.stdout;
}

systemTest("without arguments the image's command runs", async (host) => {
  assertEquals(await output(host, { Cmd: ["echo", "from the image"] }), "from the image\n");
});

systemTest("arguments replace the image's command", async (host) => {
  assertEquals(await output(host, { Cmd: ["echo", "from the image"] }, ["echo", "mine"]), "mine\n");
});

systemTest("the image's entrypoint comes before its command, and before arguments", async (host) => {
  const config = { Entrypoint: ["echo", "entry"], Cmd: ["command"] };
  assertEquals(await output(host, config), "entry command\n");
  assertEquals(await output(host, config, ["a", "b c"]), "entry a b c\n");
});

systemTest("--entrypoint replaces entrypoint and command of the image", async (host) => {
  const config = { Entrypoint: ["false"], Cmd: ["command"] };
  assertEquals(await output(host, config, [], ["--entrypoint", "echo"]), "\n");
  assertEquals(await output(host, config, ["given"], ["--entrypoint", "echo"]), "given\n");
});

systemTest("arguments reach the program as they are", async (host) => {
  const words = ["", " two  spaces ", "$HOME", "*", "'\"", "line\nbreak", "ü€𝄞", "--rm", "-e", "007"];
  const printed = await output(host, {
    Entrypoint: ["sh", "-c", 'for a in "$@"; do echo "<$a>"; done', "sh"],
  }, words);
  assertEquals(printed, words.map((word) => `<${word}>\n`).join(""));
});

systemTest("the image's environment is there, and -e adds to it and overrides it", async (host) => {
  const config = { Env: ["PATH=/bin", "KEPT=yes", "CHANGED=no", "EMPTY="], Cmd: ["env"] };
  const lines = (await output(host, config, [], ["-e", "CHANGED=a=b", "-e", "NEW=x y"])).trim().split("\n")
    .sort();
  const named = lines.filter((line) => /^(PATH|KEPT|CHANGED|EMPTY|NEW|HOME)=/.test(line));
  assertEquals(named, ["CHANGED=a=b", "EMPTY=", "HOME=/root", "KEPT=yes", "NEW=x y", "PATH=/bin"]);
});

systemTest(
  "-e NAME passes the caller's value on, and nothing else of the caller's environment is passed",
  async (host) => {
    const path = await host.write("image.tar", busyboxWith({ Cmd: ["env"] }));
    const env = { SECRET: "of the host", WANTED: "yes" };
    const { stdout } = await host.dhow(["run", "--network", "none", "-e", "WANTED", "-e", "ABSENT", path], {
      env,
    });
    const names = stdout.trim().split("\n").map((line) => line.split("=")[0]).sort();
    assertEquals(names, ["HOME", "HOSTNAME", "PATH", "WANTED"]);
  },
);

systemTest("an image without PATH gets the usual one", async (host) => {
  assertMatch(
    await output(host, { Cmd: ["env"] }),
    /^PATH=\/usr\/local\/sbin:\/usr\/local\/bin:\/usr\/sbin:\/usr\/bin:\/sbin:\/bin$/m,
  );
});

systemTest(
  "the program starts in the image's working directory, or in that of -w, made if missing",
  async (host) => {
    assertEquals(await output(host, { Cmd: ["pwd"] }), "/\n");
    assertEquals(await output(host, { Cmd: ["pwd"], WorkingDir: "/tmp" }), "/tmp\n");
    assertEquals(await output(host, { Cmd: ["pwd"], WorkingDir: "/made/on/the/way" }), "/made/on/the/way\n");
    assertEquals(await output(host, { Cmd: ["pwd"], WorkingDir: "/tmp" }, [], ["-w", "/bin"]), "/bin\n");
  },
);

systemTest("the image's user is found in its own passwd and group files", async (host) => {
  const command = ["sh", "-c", "id -u; id -g; id -G; echo $HOME"];
  assertEquals(await output(host, { User: "app" }, command), "1000\n1001\n1001 2000\n/home/app\n");
  assertEquals(await output(host, { User: "1000" }, command), "1000\n1001\n1001 2000\n/home/app\n");
  assertEquals(await output(host, { User: "app:other" }, command), "1000\n3000\n3000\n/home/app\n");
});

systemTest("-u overrides the image's user, by name or number, known or not", async (host) => {
  const command = ["sh", "-c", "id -u; id -g; id -G; echo $HOME"];
  assertEquals(await output(host, { User: "app" }, command, ["-u", "0"]), "0\n0\n0\n/root\n");
  assertEquals(await output(host, {}, command, ["-u", "4711:4712"]), "4711\n4712\n4712\n/\n");
  assertEquals(await output(host, {}, command, ["-u", "4711"]), "4711\n0\n0\n/\n");
});

systemTest("a user other than root has no capabilities and cannot write to root's files", async (host) => {
  const script = "grep CapEff /proc/self/status; touch /etc/x 2>&1 || true";
  const seen = await output(host, { User: "app" }, ["sh", "-c", script]);
  assertStringIncludes(seen, "CapEff:\t0000000000000000\n");
  assertMatch(seen, /Permission denied/);
});

systemTest("a user that the image does not have is an error", async (host) => {
  const { code, stderr } = await runArchive(host, busyboxWith({ Cmd: ["true"] }), [], ["-u", "nobody-there"]);
  assertEquals(code, 125);
  assertMatch(stderr, /^dhow: .*nobody-there.*passwd.*\n$/);
});
