// deno-lint-ignore-file no-console -- what it has to say goes to the terminal
// Runs the tests and ends with their count, alone on the last line.
//
//   deno task test [unit|system] [OPTIONS OF deno test, such as --filter NAME]
//
// Unit tests share one process. System tests run file by file, each in a process of its own, on a dist/dhow built
// from what is in the tree now; as many files at once as there are CPUs, or as DHOW_TEST_JOBS says: each test has a host, or
// a store, of its own. What a file prints is kept together. A test that cannot run here prints `SKIP name: reason` on its standard output and
// returns; so that nothing is skipped quietly, the reasons are listed at the end, and where CI is set a skip is a failure.

interface Count {
  passed: number;
  failed: number;
  skipped: number;
}

const root = `${import.meta.dirname}/..`;
const JOBS = Math.max(1, Number(Deno.env.get("DHOW_TEST_JOBS") ?? navigator.hardwareConcurrency));
const TIME_LIMIT_MS = 15 * 60_000; // for one process: far more than any needs, far less than forever

async function main(args: string[]): Promise<number> {
  const [suite, options] = args[0] === "unit" || args[0] === "system"
    ? [args[0], args.slice(1)]
    : [undefined, args];
  const counts: Count[] = [];
  const skips: string[] = [];
  if (suite !== "system") {
    const files = ["tests/unit", "src", "ffi"].flatMap(testFiles);
    counts.push(await runBatch(files, options, skips, console.log));
  }
  if (suite !== "unit") {
    if (!await build()) return report([{ passed: 0, failed: 1, skipped: 0 }], []);
    const files = slowestFirst(testFiles("tests/system"));
    const work = async () => {
      for (let file = files.shift(); file !== undefined; file = files.shift()) {
        const printed: string[] = [];
        counts.push(await runBatch([file], options, skips, (line) => printed.push(line)));
        console.log(printed.join("\n"));
      }
    };
    await Promise.all(Array.from({ length: JOBS }, work));
  }
  return report(counts, skips);
}

/** Of which a late start would leave the other CPUs without work at the end. */
const SLOW = ["crash_run", "store_races", "load", "rootless", "detached", "detached_crash", "memory"];

function slowestFirst(files: readonly string[]): string[] {
  const slow = SLOW.map((name) => `tests/system/${name}_test.ts`).filter((file) => files.includes(file));
  return [...slow, ...files.filter((file) => !slow.includes(file))];
}

/** All `*_test.ts` below `directory`, as paths from the top of the repository, in the order of their names. */
function testFiles(directory: string): string[] {
  const files: string[] = [];
  for (const entry of Deno.readDirSync(`${root}/${directory}`)) {
    const path = `${directory}/${entry.name}`;
    if (entry.isDirectory) files.push(...testFiles(path));
    else if (entry.name.endsWith("_test.ts")) files.push(path);
  }
  return files.sort();
}

async function build(): Promise<boolean> {
  return (await new Deno.Command("scripts/build", { cwd: root }).spawn().status).success;
}

/**
 * Runs `deno test` on the files and takes the count from its summary line. JUnit output would not do: it leaves out
 * a file that fails while it is imported. A process that dies before its summary counts as one failure.
 */
async function runBatch(
  files: string[],
  options: string[],
  skips: string[],
  print: (line: string) => void,
): Promise<Count> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["test", "--allow-all", "--no-check", ...options, ...files],
    cwd: root,
    env: { NO_COLOR: "1" },
    stdin: "null",
    stdout: "piped",
    signal: AbortSignal.timeout(TIME_LIMIT_MS),
  }).spawn();
  let count: Count | undefined;
  let skipped = 0;
  for await (const line of lines(child.stdout)) {
    print(line);
    count = summary(line) ?? count;
    if (line.startsWith("SKIP ")) {
      skips.push(line.slice("SKIP ".length));
      skipped++;
    }
  }
  const { success, signal } = await child.status;
  if (count === undefined) {
    print(`FAILED ${files.join(" ")}: ended before it had a result${signal ? `, by ${signal}` : ""}`);
    return { passed: 0, failed: 1, skipped: 0 };
  }
  if (!success && count.failed === 0) count.failed = 1;
  return { ...count, passed: count.passed - skipped, skipped: count.skipped + skipped };
}

async function* lines(stream: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  let rest = "";
  for await (const chunk of stream.pipeThrough(new TextDecoderStream())) {
    const parts = (rest + chunk).split("\n");
    rest = parts.pop() ?? "";
    yield* parts;
  }
  if (rest !== "") yield rest;
}

/** Reads a line such as `FAILED | 2 passed (1 step) | 4 failed | 1 ignored (135ms)`. */
function summary(line: string): Count | undefined {
  if (!/^(ok|FAILED) \| \d+ passed/.test(line)) return undefined;
  const number = (word: string) => Number(new RegExp(`(\\d+) ${word}`).exec(line)?.[1] ?? 0);
  return { passed: number("passed"), failed: number("failed"), skipped: number("ignored") };
}

function report(counts: readonly Count[], skips: readonly string[]): number {
  const sum = (key: keyof Count) => counts.reduce((sum, count) => sum + count[key], 0);
  const passed = sum("passed");
  let failed = sum("failed");
  let skipped = sum("skipped");
  if (skipped > 0) {
    console.log(`\nskipped: ${skipped}`);
    for (const skip of skips) console.log(`  ${skip}`);
    if (skipped > skips.length) console.log(`  and ${skipped - skips.length} marked as ignored`);
    if (Deno.env.get("CI") === "true") {
      console.log("CI is set: each skipped test counts as failed");
      failed += skipped;
      skipped = 0;
    }
  }
  if (passed + failed === 0) console.log("no test ran");
  console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`);
  return failed > 0 || passed === 0 ? 1 : 0;
}

Deno.exit(await main(Deno.args));
