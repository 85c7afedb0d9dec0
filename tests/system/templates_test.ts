import { assertEquals } from "@std/assert";
import { Docker } from "../support/docker.ts";
import { archive } from "../support/image.ts";
import { RICH_IMAGE } from "../support/rich_image.ts";
import { Store, storeTest } from "../support/store.ts";
import type { Output } from "../support/process.ts";
import { ERRORS, OUTPUTS } from "../support/templates.ts";

/** How many commands run at a time: as many as there are cores on the smallest machine. */
const AT_ONCE = 2;

/** What `verify` finds wrong with each template. */
async function differences<T>(
  cases: readonly T[],
  verify: (each: T) => Promise<string[]>,
): Promise<string[]> {
  const queue = cases.slice();
  const found: string[] = [];
  const work = async () => {
    for (let each = queue.shift(); each !== undefined; each = queue.shift()) {
      found.push(...await verify(each));
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return found;
}

/** The same image in a real docker and in a store of dhow's. */
async function loadBoth(store: Store, docker: Docker): Promise<void> {
  const path = store.write("rich.tar", archive(RICH_IMAGE));
  for (
    const loaded of [
      await docker.docker("load", "-q", "-i", path),
      await store.dhow("load", "-q", "-i", path),
    ]
  ) {
    assertEquals(loaded.code, 0, loaded.stderr);
  }
}

const said = ({ code, stdout, stderr }: Output) => ({ code, stdout, stderr: stderr.replace(/^dhow: /, "") });

storeTest(
  "inspect prints by a template what docker prints, and refuses it in docker's words",
  async (store) => {
    await using docker = await Docker.start();
    await loadBoth(store, docker);
    const cases = [
      ...OUTPUTS.map(([template, output]) => ({ template, code: 0, stdout: `${output}\n`, stderr: "" })),
      ...ERRORS.map(([template, code, error]) => ({
        template,
        code,
        stdout: code === 64 ? "" : "\n",
        stderr: `template parsing error: template: :${error}\n`,
      })),
    ];
    const found = await differences(cases, async ({ template, ...expected }) => {
      const args = ["image", "inspect", "--format", template, "rich:1"];
      const outputs = { docker: said(await docker.docker(...args)), dhow: said(await store.dhow(...args)) };
      return Object.entries(outputs)
        .filter(([, output]) => JSON.stringify(output) !== JSON.stringify(expected))
        .map(([name, output]) =>
          `${template}: ${name} says ${JSON.stringify(output)}, not ${JSON.stringify(expected)}`
        );
    });
    assertEquals(found, []);
  },
);

/** Docker lists an image's names in the order of a Go map: another each time. */
const sorted = (output: ReturnType<typeof said>) => ({ ...output, stdout: output.stdout.split("\n").sort() });

/** Commands whose output is docker's to the byte, for an image that both have loaded. */
const COMMANDS: readonly string[][] = [
  ["images"],
  ["images", "--digests"],
  ["images", "--no-trunc"],
  ["images", "-q"],
  ["images", "-a", "rich"],
  ["images", "rich:1"],
  ["images", "rich:2"],
  ["images", "*/rich"],
  ["images", "--filter", "label=b"],
  ["images", "--filter", "label=b=two"],
  ["images", "--filter", "dangling=true"],
  ["images", "--filter", "dangling=false", "--filter", "reference=team/*"],
  ["images", "--filter", "before=rich:1"],
  ["images", "--format", "table"],
  ["images", "--format", "raw"],
  ["images", "--format", "raw", "--digests"],
  ["images", "--format", "raw", "-q"],
  ["images", "--format", "{{json .}}"],
  ["images", "--format", "{{.Repository}}\\t{{.Tag}} {{.CreatedAt}}"],
  ["images", "--format", "{{.VirtualSize}} {{.UniqueSize}} {{.SharedSize}} {{.Containers}}"],
  ["images", "--format", "table {{.ID}}\\t{{upper .Repository}}\\t{{.Size}}"],
  ["images", "--format", "table {{.Tag}}", "--digests"],
  ["images", "--format", "table {{pad .Tag 1 2}}|{{truncate .ID 3}}\\t{{join (split .Repository `/`) `-`}}"],
  ["images", "--format", "{{.Foo}}"],
  ["images", "--format", "{{"],
  ["history", "rich:1"],
  ["history", "--no-trunc", "rich:1"],
  ["history", "--human=false", "rich:1"],
  ["history", "-H=false", "team/rich"],
  ["history", "-q", "rich:1"],
  ["history", "--format", "{{json .}}", "rich:1"],
  ["history", "--format", "table {{.ID}}\\t{{.CreatedAt}}\\t{{.Comment}}|", "rich:1"],
  ["history", "--format", "{{.CreatedBy}}: {{.Size}}", "rich:1"],
  ["history", "--format", "{{.Foo}}", "rich:1"],
  ["image", "inspect", "--format", "{{json .Config}} {{json .RootFS}} {{json .ContainerConfig}}", "rich:1"],
  ["inspect", "--format", "{{.Id}} {{.Os}}", "rich:1", "team/rich"],
  ["inspect", "--type", "image", "--format", "{{.Os}}", "rich:1"],
];

storeTest("images, history and inspect print what docker prints of the same image", async (store) => {
  await using docker = await Docker.start();
  await loadBoth(store, docker);
  const found = await differences(COMMANDS, async (args) => {
    const [theirs, ours] = [said(await docker.docker(...args)), said(await store.dhow(...args))];
    if (JSON.stringify(sorted(theirs)) === JSON.stringify(sorted(ours))) return [];
    return [`${args.join(" ")}: docker says ${JSON.stringify(theirs)}, dhow ${JSON.stringify(ours)}`];
  });
  assertEquals(found, []);
});

storeTest("inspect prints docker's JSON, but for how the layers are kept", async (store) => {
  await using docker = await Docker.start();
  await loadBoth(store, docker);
  const args = ["image", "inspect", "rich:1", "team/rich"];
  const [theirs, ours] = [await docker.docker(...args), await store.dhow(...args)];
  assertEquals(ours.stdout, theirs.stdout.replaceAll('"Name": "vfs"', '"Name": "overlay"'));
});

storeTest("rmi prints what docker prints, and takes the same names away", async (store) => {
  await using docker = await Docker.start();
  for (
    const args of [
      ["tag", "rich:1", "other:2"],
      ["tag", "rich:1", "rich:2"],
      ["rmi", "other:2"],
      ["rmi", "rich:1", "rich:2", "nope"],
      ["rmi", "-f", "nope"],
      ["images", "--format", "{{.Repository}}:{{.Tag}}"],
      ["image", "rm", "team/rich"],
      ["images", "-q"],
    ]
  ) {
    if (args[1] === "rich:1" && args[2] === "other:2") await loadBoth(store, docker);
    const [theirs, ours] = [await docker.docker(...args), await store.dhow(...args)];
    const command = args.join(" ");
    assertEquals([command, ours.code, ours.stdout], [command, theirs.code, theirs.stdout]);
  }
});
