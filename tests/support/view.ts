import { Running } from "./process.ts";
import type { Store } from "./store.ts";
import type { TarEntry } from "./tar.ts";

/** A layer with a program that needs nothing else, so that any image with it can be run. */
export const VIEWER: readonly TarEntry[] = [
  { path: ".viewer/busybox", content: Deno.readFileSync("/bin/busybox"), mode: 0o755 },
];

/** What a container of an image sees, from outside. */
export class View implements AsyncDisposable {
  private constructor(readonly container: Running, readonly root: string) {}

  /** @param image has the layer VIEWER */
  static async open(store: Store, image: string, flags: readonly string[] = []): Promise<View> {
    const container = store.start(
      "run",
      "-i",
      "--network",
      "none",
      ...flags,
      image,
      "/.viewer/busybox",
      "cat",
    );
    try {
      // it answers when it is the program, and no more on its way there
      await container.write("here\n");
      await container.stdout.until(/here/);
      return new View(container, `/proc/${firstProcess(container.pid)}/root`);
    } catch (error) {
      const { stderr } = await container.output();
      await container[Symbol.asyncDispose]();
      throw new Error(stderr, { cause: error });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // it ends by itself when there is no more to read, and takes back what it made
    await this.container.output();
    await this.container[Symbol.asyncDispose]();
  }
}

/** The child of a dhow, which one of its threads has made. */
function firstProcess(dhow: number): string {
  for (const { name: thread } of Deno.readDirSync(`/proc/${dhow}/task`)) {
    const children = Deno.readTextFileSync(`/proc/${dhow}/task/${thread}/children`).trim();
    if (children !== "") return children.split(" ")[0]!;
  }
  throw new Error(`dhow ${dhow} has no child`);
}
