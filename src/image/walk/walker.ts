import { S_IFDIR } from "../../../ffi/constants.ts";
import { Arena } from "../../../ffi/arena.ts";
import { describeErrno, SystemCallError } from "../../../ffi/errno.ts";
import { HostError } from "../../errors.ts";
import { type ByteString, quoteName } from "../tar/byte_string.ts";
import { LIST_BUFFER, nameMemory, namesIn } from "./directory.ts";
import { Probe } from "./probe.ts";
import type { Stat } from "./stat.ts";

/** Something in a tree. */
export interface Found {
  /** Relative to the tree's root, without a slash at its end. */
  readonly path: ByteString;
  /** A descriptor of it, of O_PATH; it means something else when the walk goes on. */
  readonly fd: number;
  readonly stat: Stat;
  /** Names of its extended attributes, sorted. */
  readonly xattrNames: readonly ByteString[];
}

export interface WalkOptions {
  /** Whether the folder itself comes first, as `.`. */
  readonly withRoot?: boolean;
  /** Whether what is mounted in the tree belongs to it. */
  readonly crossesMounts?: boolean;
}

/** PATH_MAX without the NUL: nobody could unpack a longer path. */
const MAX_PATH = 4095;

/** Memory for the names of all directories between the root and where the walk is, in bytes. */
const MAX_NAMES = 256 << 20;

/** A directory that the walk is in. */
interface Level {
  readonly path: ByteString;
  /** Names that are left to go, the next one last. */
  readonly names: ByteString[];
}

/**
 * All that is below a folder, parents first and names sorted, so that the same tree always comes in the same order. It never leaves
 * the folder's mount and follows no symlink, however the tree is changed meanwhile; what vanishes is left out. Its memory is that
 * of the names in the directories on the way down to where it is.
 * @param root a descriptor of the folder; it stays open
 * @param warn told of what is left out
 * @throws {HostError} when something cannot be read, or a directory has more names than memory is spent on
 */
export function* walk(
  root: number,
  warn: (text: string) => void,
  options: WalkOptions = {},
): Generator<Found, void> {
  using walker = new Walker(root, warn, options);
  yield* walker.run();
}

class Walker implements Disposable {
  readonly #arena = new Arena(LIST_BUFFER);
  readonly #probe: Probe;
  readonly #levels: Level[] = [];
  #room = MAX_NAMES;

  constructor(root: number, readonly warn: (text: string) => void, readonly options: WalkOptions) {
    this.#probe = new Probe(root, options.crossesMounts);
  }

  *run(): Generator<Found, void> {
    if (this.options.withRoot === true) {
      const found = this.#look(".", ".");
      if (found === undefined) return;
      yield found;
    }
    this.#list(".");
    for (let level = this.#levels.at(-1); level !== undefined; level = this.#levels.at(-1)) {
      // opened anew after each folder in it: so the number of open files does not grow with the depth
      if (!this.#explained(level.path, () => this.#probe.enter(level.path))) this.#forget(level);
      const found = yield* this.#visit(level);
      if (level.names.length === 0) this.#levels.pop();
      if (found !== undefined) this.#list(found);
    }
  }

  /** What is left in a directory, until there is a folder to go into, whose path is returned. */
  *#visit({ path: above, names }: Level): Generator<Found, ByteString | undefined> {
    for (let name = names.pop(); name !== undefined; name = names.pop()) {
      this.#room += nameMemory(name);
      const found = this.#look(name, above === "." ? name : `${above}/${name}`);
      if (found === undefined) continue;
      yield found;
      if (found.stat.type === S_IFDIR) return found.path;
    }
    return undefined;
  }

  #look(name: ByteString, path: ByteString): Found | undefined {
    if (path.length > MAX_PATH) {
      this.warn(`${quoteName(path)} is left out: its path is longer than ${MAX_PATH} bytes`);
      return undefined;
    }
    const stat = this.#explained(path, () => this.#probe.look(name));
    return stat && { path, fd: this.#probe.fd, stat, xattrNames: this.#probe.xattrs() };
  }

  /** Begins with the names in the folder that was looked at last. */
  #list(path: ByteString): void {
    const names = this.#explained(
      path,
      () => namesIn(this.#probe.fd, this.#arena, this.#arena.address, this.#room),
    );
    if (names === undefined) {
      throw new HostError({
        what: `cannot read the folder ${quoteName(path)}`,
        why: "it holds too many names to put them in order",
        hint: "spread them over several folders",
      });
    }
    for (const name of names) this.#room -= nameMemory(name);
    this.#levels.push({ path, names: names.sort().reverse() });
  }

  #forget({ names }: Level): void {
    for (const name of names) this.#room += nameMemory(name);
    names.length = 0;
  }

  /** Does what needs the kernel; its refusals become errors that name the path. */
  #explained<T>(path: ByteString, work: () => T): T {
    try {
      return work();
    } catch (error) {
      if (!(error instanceof SystemCallError)) throw error;
      const why = `${error.call}: ${describeErrno(error.errno)}`;
      throw new HostError({ what: `cannot read ${quoteName(path)}`, why, cause: error });
    }
  }

  [Symbol.dispose](): void {
    this.#probe[Symbol.dispose]();
    this.#arena.release();
  }
}
