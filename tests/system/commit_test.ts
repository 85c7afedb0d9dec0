import { assert, assertEquals, assertMatch } from "@std/assert";
import { assertFailure, assertSuccess } from "../support/containers.ts";
import type { Host } from "../support/host.ts";
import { busyboxArchive, busyboxWith } from "../support/images.ts";
import { WaitingContainer } from "../support/running.ts";
import { detachedTest } from "../support/detached.ts";
import { systemTest } from "../support/system_test.ts";

const CHANGE = `
  mkdir -p /new/sub; echo text >/new/file; ln /new/file /new/sub/link; ln -s file /new/symlink; mkfifo /new/fifo
  printf odd >"$(printf '/new/odd\\377\\n!')"; chmod 4711 /new/file; chown 7:8 /new/sub
  truncate -s 5000000 /new/sparse; echo end >>/new/sparse
  rm -r /var; mkdir /var; echo v >/var/new; rm /etc/group; mkdir /etc/group; echo g >/etc/group/file
  echo more >>/etc/passwd; rm /usr/bin/env; chmod 700 /home
  touch -d @1600000000 /new/symlink /new/fifo /new/sub /new; rm -r /tmp; echo now a file >/tmp`;

/** What a container sees of its files, but for those that dhow puts in place and the folder that they are in. */
const DESCRIBE = `
  cd /; for path in bin etc home new root tmp usr var; do
    find $path -path etc -o -path etc/hosts -o -path etc/hostname -o -path etc/resolv.conf -o -print0
  done | sort -z | xargs -0 stat -c '%n %f %u:%g %h %Y %N'
  find etc/passwd etc/group new tmp var -type f -print0 | sort -z | xargs -0 sha256sum`;

/** Commits a container and returns the new image's id. */
async function commit(host: Host, ...args: string[]): Promise<string> {
  const output = await host.dhow(["commit", ...args]);
  assertSuccess(output);
  const [, id = ""] = output.stdout.match(/^(sha256:[0-9a-f]{64})\n$/) ?? [];
  assert(id !== "", output.stdout);
  return id;
}

async function runIt(host: Host, image: string, ...command: string[]): Promise<string> {
  const output = await host.dhow(["run", "--network", "none", image, ...command]);
  assertSuccess(output);
  return output.stdout;
}

systemTest("a container of a committed image finds the files as the first one left them", async (host) => {
  await using container = await WaitingContainer.start(host, "first", `${CHANGE}\n${DESCRIBE}`);
  await commit(host, "first", "second:new");
  // overlay counts one link for a folder that it has merged from several layers
  const comparable = (text: string) => text.replace(/^(\S+ 4[0-9a-f]{3} \S+) \d+ /gm, "$1 ");
  const seen = await runIt(host, "second:new", "sh", "-c", DESCRIBE);
  assertEquals(comparable(seen), comparable(container.printed));
});

systemTest("a committed image can be committed again, with user namespaces too", async (host) => {
  {
    await using _one = await WaitingContainer.start(host, "one", "rm /etc/group; echo 1 >/a; echo 1 >/b", {
      flags: ["--userns"],
    });
    await commit(host, "one", "generation:1");
  }
  {
    const script = "rm /a; rm -r /var; mkdir /var; echo 2 >/var/x";
    await using _two = await WaitingContainer.start(host, "two", script, {
      flags: ["--userns"],
      image: "generation:1",
    });
    await commit(host, "two", "generation:2");
  }
  assertEquals(
    await runIt(host, "generation:2", "sh", "-c", "ls /var /b /a /etc/group 2>/dev/null || :"),
    "/b\n\n/var:\nx\n",
  );
});

systemTest("a container that has changed nothing adds no layer", async (host) => {
  assertSuccess(await host.dhow(["load", "-q", "-i", await busyboxArchive()]));
  const before = (await host.dhow(["images", "-q"])).stdout;
  const script = "cat /etc/hosts >/dev/null";
  await using _container = await WaitingContainer.start(host, "idle", script, { image: "busybox" });
  const layers = () => host.shell("ls /var/lib/dhow/layers");
  const beforeCommit = await layers();
  const id = await commit(host, "idle");
  assertEquals(await layers(), beforeCommit);
  assertEquals(before.includes(id.slice(7, 19)), false);
  assertMatch((await host.dhow(["images"])).stdout, new RegExp(`^<none> +<none> +${id.slice(7, 19)} `, "m"));
});

systemTest(
  "mount points that dhow makes in an image without /etc, /proc and /dev are not committed",
  async (host) => {
    const path = await host.write("image.tar", busyboxWith({}, { layers: [bareLayer()] }));
    await using _container = await WaitingContainer.start(host, "bare", "echo x >/file", { image: path });
    await commit(host, "bare", "bare");
    // in the next container they are made anew: what counts is what is in the tar of the layer
    assertSuccess(await host.dhow(["save", "-q", "-o", host.file("saved.tar"), "bare"]));
    const found = `cd ${host.file("")}; mkdir saved; tar -xf saved.tar -C saved
      for blob in saved/blobs/sha256/*; do tar -tf $blob 2>/dev/null || true; done | sort -u`;
    assertEquals(await host.shell(found), "bin/\nbin/busybox\nbin/cat\nbin/echo\nbin/sh\nfile\n");
    assertEquals(await runIt(host, "bare", "sh", "-c", "cat /file"), "x\n");
  },
);

function bareLayer() {
  return [
    { path: "bin/", type: "directory" as const },
    { path: "bin/busybox", content: Deno.readFileSync("/bin/busybox"), mode: 0o755 },
    ...["sh", "cat", "echo"].map((name) => ({
      path: `bin/${name}`,
      type: "symlink" as const,
      target: "busybox",
    })),
  ];
}

systemTest("--change says how the new image is run, and what it does not say stays", async (host) => {
  const path = await host.write(
    "image.tar",
    busyboxWith({ Env: ["A=1", "B=2"], User: "app", WorkingDir: "/tmp" }),
  );
  await using _container = await WaitingContainer.start(host, "config", "true", { image: path });
  const changes = ["ENV B=3 C=$A", 'CMD ["sh", "-c", "echo $A $B $C; pwd; id -un"]', "WORKDIR sub"];
  await commit(host, ...changes.flatMap((change) => ["-c", change]), "config", "changed");
  assertEquals(await runIt(host, "changed"), "1 3 1\n/tmp/sub\napp\n");
  const wrong = await host.dhow(["commit", "--change", "RUN x", "config"]);
  assertFailure(
    wrong,
    1,
    /cannot make the change "RUN x": "RUN" is not a valid change command; --change takes/,
  );
});

systemTest("author and message go into the image's config", async (host) => {
  await using _container = await WaitingContainer.start(host, "said", "echo x >/file");
  const id = await commit(host, "-a", "Me <me@example.com>", "-m", "why not", "said");
  const query = `import sqlite3, sys
row = sqlite3.connect("/var/lib/dhow/dhow.db").execute("SELECT config FROM images WHERE id = ?", sys.argv[1:])
print(row.fetchone()[0])`;
  const config = JSON.parse(await host.succeed(["python3", "-c", query, id]));
  const last = config.history.at(-1);
  assertEquals([config.author, last.author, last.comment], [
    "Me <me@example.com>",
    "Me <me@example.com>",
    "why not",
  ]);
  assertMatch(last.created_by, /^sh -c cat; : said$/);
  assertEquals(config.rootfs.diff_ids.length, config.history.filter(isLayer).length);
});

const isLayer = (line: { empty_layer?: boolean }) => line.empty_layer !== true;

systemTest("commit refuses what it cannot do, and says why", async (host) => {
  await using _container = await WaitingContainer.start(host, "here", "");
  assertFailure(await host.dhow(["commit", "elsewhere"]), 1, /No such container: elsewhere/);
  assertFailure(await host.dhow(["commit", "here", "Upper"]), 1, /must be lowercase/);
  assertFailure(await host.dhow(["commit"]), 1, /a container and a name/);
  for (const pause of ["--pause=false", "--pause"]) {
    assertEquals((await host.dhow(["commit", pause, "here"])).code, 0);
  }
});

detachedTest("an image of a container is run as the container was", async (it) => {
  const flags = ["--name", "made", "-e", "A=1", "--label", "l=x", "-w", "/tmp", "--stop-signal", "INT"];
  await it.start(["sh", "-c", "echo $A $PWD"], flags, ["create"]);
  await it.dhow("commit", "made", "again");
  const template =
    '{{json .Config.Cmd}} {{.Config.WorkingDir}} {{index .Config.Labels "l"}} {{.Config.StopSignal}}';
  assertEquals(await it.inspect("again", template), '["sh","-c","echo $A $PWD"] /tmp x SIGINT');
  assertEquals(await it.dhow("run", "--network", "none", "again"), "1 /tmp");
});

detachedTest("commit leaves a container as it was: going on, or paused", async (it) => {
  const container = await it.named("box");
  await it.dhow("commit", "box");
  assertEquals(await it.ask(container, "{{.State}}"), "running");
  await it.dhow("pause", "box");
  await it.dhow("commit", "box");
  assertEquals(await it.ask(container, "{{.State}}"), "paused");
});
