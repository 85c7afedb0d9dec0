import { join } from "@std/path";
import { DHOW } from "./host.ts";
import { archive, type ImageOptions } from "./image.ts";
import { type Output, run, Running } from "./process.ts";
import type { Storage } from "../../src/image/store/storage.ts";
import { skip } from "./system_test.ts";
import { View } from "./view.ts";

/** A store of dhow's in a temporary folder, and a place for files beside it. */
export class Store implements Disposable {
  /** Put before the command: `--storage`, `unpacked`. */
  constructor(readonly globals: readonly string[] = []) {}

  readonly folder = Deno.makeTempDirSync({ prefix: "dhow-test-" });
  readonly root = join(this.folder, "root");

  [Symbol.dispose](): void {
    Deno.removeSync(this.folder, { recursive: true });
  }

  /** The path of a file beside the store. */
  file(name: string): string {
    return join(this.folder, name);
  }

  write(name: string, content: Uint8Array): string {
    Deno.writeFileSync(this.file(name), content);
    return this.file(name);
  }

  command(...args: string[]): string[] {
    return [DHOW, "--root", this.root, ...this.globals, ...args];
  }

  dhow(...args: string[]): Promise<Output> {
    return run(this.command(...args));
  }

  start(...args: string[]): Running {
    return new Running(this.command(...args));
  }

  /** Loads an archive that is made for it. */
  load(options: ImageOptions): Promise<Output> {
    return this.dhow("load", "-q", "-i", this.write("image.tar", archive(options)));
  }

  /** Loads an image; returns its layers' folders, lowest first, if each was new. */
  async layers(options: ImageOptions): Promise<string[]> {
    const { code, stderr } = await this.load(options);
    if (code !== 0) throw new Error(`load failed: ${stderr}`);
    return this.layerFolders();
  }

  /** The names in a folder of an image that has the layer VIEWER, as a container sees them. */
  async listing(image: string, folder: string): Promise<string[]> {
    await using view = await View.open(this, image);
    return Array.from(Deno.readDirSync(join(view.root, folder)), ({ name }) => name).sort();
  }

  /** What the layers lie in, the oldest first: tars, or folders; without the rest of the tars of those. */
  layerFolders(): string[] {
    return this.layerFiles().filter((path) => !path.endsWith(".skeleton"));
  }

  /** All that lies in the layers folder, the oldest first. */
  layerFiles(): string[] {
    const layers = join(this.root, "layers");
    try {
      const names = Array.from(Deno.readDirSync(layers), ({ name }) => name);
      return names.sort((a, b) => parseInt(a) - parseInt(b)).map((name) => join(layers, name));
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return [];
      throw error;
    }
  }
}

/** A test with a store of its own, whose layers are unpacked, for what needs root but no network. */
export function storeTest(
  name: string,
  test: (store: Store) => Promise<void>,
  storage: Storage = "unpacked",
): void {
  Deno.test(name, async () => {
    if (Deno.uid() !== 0) return skip(name, "needs root");
    if (storage === "erofs" && !mountsErofs()) return skip(name, "needs Linux 6.12");
    using store = new Store(["--storage", storage]);
    await test(store);
  });
}

/** The same test for each form in which images can be kept. */
export function eachStorage(name: string, test: (store: Store, storage: Storage) => Promise<void>): void {
  for (const storage of ["erofs", "unpacked"] as const) {
    storeTest(`${storage}: ${name}`, (store) => test(store, storage), storage);
  }
}

/** Whether this kernel mounts EROFS from plain files. */
export function mountsErofs(): boolean {
  const [major = 0, minor = 0] = Deno.osRelease().split(".").map(Number);
  return major > 6 || (major === 6 && minor >= 12);
}
