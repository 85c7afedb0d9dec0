import { assert, assertEquals, assertMatch, assertRejects, assertThrows } from "@std/assert";
import { Arena } from "../../../ffi/arena.ts";
import { SIG_SETMASK } from "../../../ffi/constants.ts";
import { pathExists } from "../../../ffi/files.ts";
import { makePipe, waitForExit } from "../../../ffi/process.ts";
import { CallTable, libcCall } from "../../../ffi/table.ts";
import { LogReader } from "../../../src/container/log_reader.ts";
import { readEnd } from "../../../src/container/settle.ts";
import { HeldPorts } from "../../../src/network/held_ports.ts";
import { EXIT_SIZE, STREAMS } from "../../../src/plan/monitor_layout.ts";
import { Monitor } from "../../../src/plan/monitored.ts";
import { containerState, pathsUnder } from "../../../src/state/paths.ts";
import { eventually } from "../../support/eventually.ts";

const DECODER = new TextDecoder();

interface Seen {
  readonly output: string;
  readonly errors: string;
  /** What the command after the monitor wrote, which it is told to do. */
  readonly after: string;
  readonly end: ReturnType<typeof readEnd>;
  readonly folder: string;
}

interface Options {
  readonly size?: number;
  readonly files?: number;
  /** In place of the log. */
  readonly log?: string;
  /** What looks at its health: a script, or a command. */
  readonly probe?: {
    readonly milliseconds: number;
    /** In milliseconds. */
    readonly limit?: number;
    readonly script?: string;
    readonly command?: string[];
  };
  /** What it is to hold. */
  readonly sockets?: readonly number[];
  /** What is done once the monitor may go on. */
  readonly meanwhile?: (folder: string) => Promise<void>;
}

/** Runs a script under a monitor: no container, but all else is as for one. */
async function monitored(
  script: string,
  check: (seen: Seen) => void | Promise<void>,
  { size, files = 1, log, sockets = [], probe, meanwhile }: Options = {},
): Promise<void> {
  const root = Deno.makeTempDirSync({ prefix: "dhow-unit-" });
  const paths = pathsUnder(root);
  const folder = containerState(paths, "it");
  Deno.mkdirSync(folder, { recursive: true });
  const arena = new Arena(256 * 1024);
  const [ready, go] = [makePipe(), makePipe()];
  const monitor = new Monitor({
    id: "it",
    terminal: false,
    keepsInput: false,
    awaitsReader: false,
    log: { path: log ?? `${folder}/log`, size: size ?? null, files },
    exitPath: `${folder}/exit`,
    command: ["/bin/sh", "-c", `echo "$V, open: $(ls /proc/self/fd | wc -l)" >${folder}/after`],
    environment: ["V=a variable", "PATH=/usr/bin:/bin"],
    ...(probe === undefined ? {} : {
      probe: {
        interval: probe.milliseconds * 1e6,
        limit: (probe.limit ?? 60_000) * 1e6,
        command: probe.command ?? ["/bin/sh", "-c", `cd ${folder}; ${probe.script}`],
      },
    }),
  }, sockets);
  try {
    const { streams } = monitor;
    const table = new CallTable(arena, 8);
    table.call("write", [ready.writer, "+", 1]);
    table.call("dup3", [streams!.output, 1, 0]);
    table.call("dup3", [streams!.errors, 2, 0]);
    table.call("sigprocmask", [SIG_SETMASK, arena.allocate(128), 0]);
    table.call("execve", [
      "/bin/sh",
      arena.strings(["sh", "-c", script, "sh", folder]),
      arena.strings(["PATH=/usr/bin:/bin"]),
    ]);
    monitor.start(table, 0, { ready, go });
    await monitor.settled();
    const { pid } = monitor.assertStarted();
    monitor.begin();
    monitor.close();
    await meanwhile?.(folder);
    await waitForExit(pid);
    const written: Record<number, string> = { [STREAMS.output]: "", [STREAMS.errors]: "" };
    using reader = new LogReader(`${folder}/log`, files);
    for (let record = reader.next(); record !== undefined; record = reader.next()) {
      written[record.stream] += DECODER.decode(record.bytes);
    }
    await check({
      output: written[STREAMS.output]!,
      errors: written[STREAMS.errors]!,
      after: Deno.readTextFileSync(`${folder}/after`),
      end: readEnd(paths, "it"),
      folder,
    });
  } finally {
    for (const fd of [ready.reader, go.reader, go.writer]) libcCall("close", fd);
    arena.release();
    Deno.removeSync(root, { recursive: true });
  }
}

Deno.test("a monitor writes down both streams and the exit code, and then becomes its command", async () => {
  const before = Date.now();
  await monitored("echo out; echo err >&2; exit 7", ({ output, errors, end, after }) => {
    assertEquals({ output, errors }, { output: "out\n", errors: "err\n" });
    assertEquals(end?.exitCode, 7);
    // the clock of the monitor is the machine's
    assert(end!.finished >= before - 1 && end!.finished <= Date.now() + 1, `${end!.finished}`);
    // standard streams, and that of ls
    assertEquals(after, "a variable, open: 4\n");
  });
});

Deno.test("a program that a signal ends has the exit code 128 + the signal", async () => {
  await monitored("kill -KILL $$", ({ end }) => assertEquals(end?.exitCode, 137));
  await monitored("kill -SEGV $$", ({ end }) => assertEquals(end?.exitCode, 139));
});

Deno.test("what is still in the pipes when the program ends is written down", async () => {
  const script = "head -c 60000 /dev/zero | tr '\\0' x; head -c 60000 /dev/zero | tr '\\0' y >&2";
  await monitored(script, ({ output, errors }) => {
    assertEquals([output, errors], ["x".repeat(60000), "y".repeat(60000)]);
  });
});

Deno.test("a program that closes its output, and lives on, is waited for", async () => {
  const script = "exec >&- 2>&-; until [ -e $1/go ]; do sleep 0.01; done; exit 3";
  await monitored(script, ({ end }) => assertEquals(end?.exitCode, 3), {
    meanwhile: (folder) => Deno.writeTextFile(`${folder}/go`, ""),
  });
});

Deno.test("a log that has reached its size makes way for a new one, and the oldest goes", async () => {
  // more than the monitor takes at once, so that there are many records whatever the timing
  const script = "i=0; while [ $i -lt 20000 ]; do echo line $i of many lines; i=$((i+1)); done";
  const all = Array.from({ length: 20000 }, (_, index) => `line ${index} of many lines\n`).join("");
  await monitored(script, ({ output, folder }) => {
    const files = Array.from(Deno.readDirSync(folder), ({ name }) => name).filter((name) =>
      name.startsWith("log")
    );
    assertEquals(files.sort(), ["log", "log.1", "log.2"]);
    assert(all.endsWith(output), "what is left is not the end of it");
    assert(output.length > 0 && output.length < all.length);
    // one record more than it is to have, and no record is larger than that
    for (const name of files) assert(Deno.statSync(`${folder}/${name}`).size < 2048 + 2048 + 32, name);
  }, { size: 2048, files: 3 });
});

Deno.test("of a log of one file, the new one takes the place of the old", async () => {
  const script = "head -c 400000 /dev/zero | tr '\\0' x; echo; echo end";
  await monitored(script, ({ output, folder }) => {
    assert(output.length < 1000 + 1024 && output.endsWith("end\n"), `${output.length}`);
    const names = Array.from(Deno.readDirSync(folder), ({ name }) => name).sort();
    assertEquals(names, ["after", "exit", "log"]);
  }, { size: 1000, files: 1 });
});

Deno.test("a log makes way for what comes, not before: there is always something in it", async () => {
  // two records, each of which fills a log
  await monitored("head -c 2000 /dev/zero | tr '\\0' x", ({ output }) => {
    assert(output.length > 0 && output.length < 2000, `${output.length}`);
  }, { size: 900, files: 1 });
});

Deno.test("when there is no space for the log, the program runs on, and its end is written down", async () => {
  await monitored("head -c 300000 /dev/zero; exit 4", ({ end, output }) => {
    assertEquals([end?.exitCode, output], [4, ""]);
  }, { log: "/dev/full" });
});

Deno.test("a monitor gets its descriptors right, however many there are, and under whatever numbers", async () => {
  for (const count of [50, 57, 64, 100]) {
    using files = new DisposableStack();
    for (let opened = 0; opened < count; opened++) files.use(Deno.openSync("/dev/null"));
    await monitored("echo out; echo err >&2; exit 9", ({ output, errors, end }) => {
      assertEquals([output, errors, end?.exitCode], ["out\n", "err\n", 9], `${count} files`);
    });
  }
});

Deno.test("a monitor holds a port as long as the program runs, and no longer", async () => {
  const held = new HeldPorts();
  const { hostPort } = held.hold(
    { ip: "127.0.0.1", hostPort: 0, containerPort: 80, protocol: "tcp" },
    () => false,
    false,
  );
  const listen = () => Deno.listen({ hostname: "127.0.0.1", port: hostPort }).close();
  const script = "until [ -e $1/go ]; do sleep 0.01; done";
  await monitored(script, async () => await eventually(listen), {
    sockets: held.sockets,
    meanwhile: async (folder) => {
      held.release();
      assertThrows(listen, Deno.errors.AddrInUse);
      await Deno.writeTextFile(`${folder}/go`, "");
    },
  });
});

/** The lines that probes have written so far; waits until there are so many. */
function probed(folder: string, count: number): Promise<string[]> {
  return eventually(() => {
    const lines = Deno.readTextFileSync(`${folder}/probed`).trim().split("\n");
    assert(lines.length >= count, `${lines.length} of ${count}`);
    return lines;
  });
}

Deno.test("a monitor probes again and again, one at a time, with none of its descriptors", async () => {
  const script = "until [ -e $1/go ]; do sleep 0.01; done; exit 3";
  const probe = {
    milliseconds: 5,
    script:
      "mkdir running || echo two >>probed; open=$(ls /proc/self/fd | wc -l); sleep 0.02; rmdir running; " +
      'echo "$V, $open" >>probed',
  };
  await monitored(script, async ({ end, folder }) => {
    assertEquals(end?.exitCode, 3);
    // standard streams, and that of ls
    assertEquals([...new Set(await probed(folder, 3))], ["a variable, 4"]);
  }, {
    probe,
    meanwhile: async (folder) => {
      await probed(folder, 3);
      await Deno.writeTextFile(`${folder}/go`, "");
    },
  });
});

Deno.test("a probe can be sent every signal", async () => {
  const status = Deno.makeTempFileSync({ prefix: "dhow-unit-" });
  try {
    // no shell: it would let signals through by itself
    const command = ["/bin/dd", "if=/proc/self/status", `of=${status}`];
    await monitored("until [ -e $1/go ]; do sleep 0.01; done", () => {}, {
      probe: { milliseconds: 1, command },
      meanwhile: async (folder) => {
        await eventually(() => assertMatch(Deno.readTextFileSync(status), /^SigBlk:\s*0+$/m));
        await Deno.writeTextFile(`${folder}/go`, "");
      },
    });
  } finally {
    Deno.removeSync(status);
  }
});

Deno.test("a probe that is killed is followed by another; one that runs when the container ends is ended", async () => {
  const script = "until [ -e $1/go ]; do sleep 0.01; done; exit 3";
  const probe = { milliseconds: 5, script: "echo $$ >>probed; exec sleep 100" };
  await monitored(script, async ({ end, folder, output }) => {
    assertEquals([end?.exitCode, output], [3, ""]);
    for (const pid of await probed(folder, 3)) {
      assert(!pathExists(`/proc/${pid}`), `process ${pid} is still there`);
    }
  }, {
    probe,
    meanwhile: async (folder) => {
      for (const count of [1, 2]) Deno.kill(Number((await probed(folder, count)).at(-1)), "SIGKILL");
      await probed(folder, 3);
      await Deno.writeTextFile(`${folder}/go`, "");
    },
  });
});

Deno.test("a probe that does not end is killed, and followed by another", async () => {
  const probe = { milliseconds: 1, limit: 50, script: "echo $$ >>probed; exec sleep 100" };
  await monitored("until [ -e $1/go ]; do sleep 0.01; done; exit 3", ({ end }) => {
    assertEquals(end?.exitCode, 3);
  }, {
    probe,
    meanwhile: async (folder) => {
      assertEquals(new Set(await probed(folder, 3)).size >= 3, true);
      await Deno.writeTextFile(`${folder}/go`, "");
    },
  });
});

Deno.test("a probe ends with its monitor, when that is killed", async () => {
  const probe = { milliseconds: 1, script: "echo $$ $PPID >>probed; exec sleep 100" };
  let pid = "";
  const killed = monitored("until [ -e $1/go ]; do sleep 0.01; done", () => {}, {
    probe,
    meanwhile: async (folder) => {
      const [line] = await probed(folder, 1);
      const [probing, monitor] = line!.split(" ");
      pid = probing!;
      Deno.kill(Number(monitor), "SIGKILL");
      await Deno.writeTextFile(`${folder}/go`, "");
      await eventually(() => assert(!pathExists(`/proc/${pid}`), `process ${pid} is still there`));
    },
  });
  // nobody was there to write anything down
  await assertRejects(() => killed, Deno.errors.NotFound);
  assert(pid !== "");
});

Deno.test("an exit file that is not complete says nothing", () => {
  const root = Deno.makeTempDirSync({ prefix: "dhow-unit-" });
  const paths = pathsUnder(root);
  try {
    Deno.mkdirSync(containerState(paths, "it"), { recursive: true });
    assertEquals(readEnd(paths, "it"), undefined);
    for (const size of [0, EXIT_SIZE - 1, EXIT_SIZE]) {
      Deno.writeFileSync(`${containerState(paths, "it")}/exit`, new Uint8Array(size));
      assertEquals(readEnd(paths, "it"), undefined, `${size} bytes`);
    }
  } finally {
    Deno.removeSync(root, { recursive: true });
  }
});
