/** Random trees of files, and random layers on top of them: a model in memory, which `writeTree` brings onto the disk. */
import type { ByteString } from "../../src/image/tar/byte_string.ts";
import type { Random } from "./random.ts";

export interface TreeNode {
  readonly kind: "directory" | "file" | "symlink" | "fifo" | "char" | "block";
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Seconds since 1970, and nanoseconds after that. */
  readonly mtime: readonly [seconds: number, nanoseconds: number];
  readonly xattrs: ReadonlyMap<string, Uint8Array>;
  /** Of a file: its size, and what is in it that is no hole. */
  readonly size: number;
  readonly pieces: readonly (readonly [offset: number, bytes: Uint8Array])[];
  /** Of a symlink. */
  readonly target: ByteString;
  /** Of a device. */
  readonly device: readonly [major: number, minor: number];
}

/**
 * Nodes by their paths, a directory before what is in it; `""` is the root. Names of one node are hard links of one file.
 */
export type Tree = Map<ByteString, TreeNode>;

/** What a format of tar can hold. */
export interface Limits {
  /** Longest name, path, and path of what has several names or target of a symlink, in bytes. */
  readonly name: number;
  readonly path: number;
  readonly link: number;
  /** What may have several names. */
  readonly linked: readonly TreeNode["kind"][];
  /** Largest owner or group, and the second number of a device. */
  readonly id: number;
  readonly minor: number;
  /** Seconds: the first and the last. */
  readonly times: readonly [earliest: number, latest: number];
}

/** What ext4 holds, and dhow promises. The last second is one of the year 2446. */
export const UNLIMITED: Limits = {
  name: 255,
  path: 2500,
  link: 2500,
  linked: ["file", "symlink", "fifo", "char", "block"],
  id: 0xfffffffe,
  minor: 0xfffff,
  times: [-(2 ** 31), 15_032_385_535],
};

/** POSIX ustar: a path is cut at a slash into 155 and 100 bytes, numbers have 7 and 11 octal digits; no program links all kinds. */
export const USTAR: Limits = {
  name: 50,
  path: 150,
  link: 90,
  linked: ["file"],
  id: 0o7777777,
  minor: 0o7777777,
  times: [0, 0o77777777777],
};

const KINDS = [
  "file",
  "file",
  "file",
  "file",
  "directory",
  "symlink",
  "symlink",
  "fifo",
  "char",
  "block",
  "link",
] as const;
const BLOCK_EDGES = [0, 1, 2, 511, 512, 513, 4095, 4096, 4097, 16383, 16384, 16385, 65536, (1 << 20) + 1];
const IDS = [0, 0, 0, 1, 33, 1000, 65534, 0o777777, 0o7777777, 0o7777777 + 1, 0x7fffffff, 0xfffffffe];
const MODES = [0o644, 0o755, 0o600, 0, 0o4755, 0o2755, 0o6711, 0o1777, 0o7777, 0o444];
const SECONDS = [0, 1, -1, -2, 1_600_000_000, 2 ** 31, -(2 ** 31), 2 ** 32 + 5, 2 ** 33 - 1, 2 ** 33, 15e9];
const NANOSECONDS = [0, 0, 1, 500_000_000, 999_999_999, 123_456_789, 120_000_000];
/** struct vfs_cap_data of "cap_net_raw+ep", revision 2. */
const CAPABILITY = Uint8Array.of(1, 0, 0, 2, 0, 0x20, ...new Array(14).fill(0));

export class TreeMaker {
  #names = 0;

  constructor(readonly random: Random, readonly limits: Limits) {}

  /** A tree with some of everything. */
  tree(): Tree {
    const tree: Tree = new Map([["", this.#node("directory")]]);
    for (let left = this.random.between(4, 9); left > 0; left--) this.#add(tree, this.#node("directory"));
    this.#addDeep(tree);
    for (let left = this.random.between(15, 35); left > 0; left--) this.#addAny(tree);
    return tree;
  }

  /** The tree after some changes. What was not changed is the same node. */
  changed(before: Tree): Tree {
    const tree = new Map(before);
    for (let left = this.random.between(6, 16); left > 0; left--) this.#change(tree);
    return ordered(tree);
  }

  #change(tree: Tree): void {
    const { random } = this;
    const paths = [...tree.keys()].filter((path) => path !== "");
    if (paths.length < 8) return this.#addAny(tree);
    const path = random.pick(paths);
    const node = tree.get(path)!;
    const kind = random.below(8);
    if (kind < 2) {
      removeBelow(tree, path);
    } else if (kind === 2) {
      // in place of what was there, directory or not
      removeBelow(tree, path);
      tree.set(path, this.#node(random.pick(["file", "directory", "symlink", "fifo", "char"]), node));
      for (let left = random.below(3); tree.get(path)!.kind === "directory" && left > 0; left--) {
        this.#add(tree, this.#node("file"), path);
      }
    } else if (kind === 3 && this.limits.linked.includes(node.kind)) {
      // another name: both are in this layer then
      const copy = { ...node, mtime: this.#time(node) };
      if (path.length <= this.limits.link && this.#add(tree, copy, undefined, this.limits.link)) {
        tree.set(path, copy);
      }
    } else if (kind === 4) {
      // other attributes, the same content
      const { mode, uid, gid, mtime, xattrs } = this.#node(node.kind, node);
      tree.set(path, { ...node, mode, uid, gid, mtime, xattrs });
    } else if (kind === 5 && node.kind === "directory") {
      // all that was in it goes, and something new comes
      removeBelow(tree, path);
      tree.set(path, node);
      this.#add(tree, this.#node("file"), path);
    } else {
      this.#addAny(tree);
    }
  }

  #addAny(tree: Tree): void {
    const { random } = this;
    const kind = random.pick(KINDS);
    if (kind !== "link") return void this.#add(tree, this.#node(kind));
    const candidates = [...tree].filter(([path, { kind }]) =>
      this.limits.linked.includes(kind) && path.length <= this.limits.link
    );
    if (candidates.length === 0) return;
    const [path, node] = random.pick(candidates);
    const copy = { ...node, mtime: this.#time(node) };
    if (!this.#add(tree, copy, undefined, this.limits.link)) return;
    // all names that it has, so that none of them stays alone with what it was
    for (const [other, same] of tree) if (same === node) tree.set(other, copy);
    tree.set(path, copy);
  }

  /** A chain of directories with a file at its end. */
  #addDeep(tree: Tree): void {
    let path = "";
    while (path.length < this.limits.path - 2 * this.limits.name - 10) {
      const name = `${"deep".repeat(this.random.between(1, 9))}${this.#names++}`;
      path = path === "" ? name : `${path}/${name}`;
      tree.set(path, this.#node("directory"));
    }
    this.#add(tree, this.#node("file"), path);
  }

  /** @returns whether there was a place for it */
  #add(tree: Tree, node: TreeNode, into?: ByteString, longest = this.limits.path): boolean {
    const folders = [...tree].filter(([, { kind }]) => kind === "directory").map(([path]) => path);
    const folder = into ?? this.random.pick(folders);
    const name = this.#name();
    const path = folder === "" ? name : `${folder}/${name}`;
    if (path.length > longest || tree.has(path)) return false;
    tree.set(path, node);
    return true;
  }

  /** One that no other file has. */
  #name(): ByteString {
    const number = `${this.#names++}`;
    const long = "n".repeat(this.limits.name - number.length);
    const name = this.random.pick([
      "f",
      "file ",
      "-",
      "..",
      "...",
      ".wh",
      "\n",
      "a\tb\n",
      "\xff\xfe",
      "\xc3\xa4\xe2\x9c\x93",
      "\\",
      "*'\"$(x)",
      "=",
      "\x01\x7f",
      long,
      "m".repeat(Math.min(98, this.limits.name - number.length)),
    ]);
    return name + number;
  }

  /** @param other a node that must have another time: docker tells what was changed by that */
  #time(other?: TreeNode): readonly [number, number] {
    const [earliest, latest] = this.limits.times;
    const fit = SECONDS.filter((seconds) =>
      seconds >= earliest && seconds <= latest && seconds !== other?.mtime[0]
    );
    return [this.random.pick(fit), this.random.pick(NANOSECONDS)];
  }

  #node(kind: TreeNode["kind"], instead?: TreeNode): TreeNode {
    const { random } = this;
    const ids = IDS.filter((id) => id <= this.limits.id);
    const node: TreeNode = {
      kind,
      mode: random.chance(0.3) ? random.below(0o10000) : random.pick(MODES),
      uid: random.pick(ids),
      gid: random.pick(ids),
      mtime: this.#time(instead),
      xattrs: this.#xattrs(kind),
      size: 0,
      pieces: [],
      target: "",
      device: [0, 0],
    };
    if (kind === "file") return { ...node, ...this.#content() };
    if (kind === "symlink") return { ...node, target: this.#target() };
    // not 0, 0, by which overlay marks what is gone
    const device = [
      random.between(1, 0x1000),
      Math.min(random.pick([0, 1, 255, 256, 0xfffff]), this.limits.minor),
    ] as const;
    return kind === "char" || kind === "block" ? { ...node, device } : node;
  }

  #content(): Pick<TreeNode, "size" | "pieces"> {
    const { random } = this;
    if (random.chance(0.2)) {
      const pieces: [number, Uint8Array][] = [];
      let position = 0;
      for (let left = random.between(0, 8); left > 0; left--) {
        position += random.pick([1, 512, 4096, 65536, random.below(300_000)]);
        const bytes = random.bytes(random.pick([1, 512, 4096, random.between(1, 9000)]));
        pieces.push([position, bytes]);
        position += bytes.length;
      }
      return { size: position + random.pick([0, 1, 4096, 5_000_000]), pieces };
    }
    const size = random.chance(0.5) ? random.pick(BLOCK_EDGES) : random.below(10_000);
    return { size, pieces: size === 0 ? [] : [[0, random.bytes(size)]] };
  }

  #target(): ByteString {
    return this.random.pick([
      "/etc/passwd",
      "..",
      "../../../../../..",
      "nowhere",
      "f1",
      "/",
      "\xff\n",
      "t".repeat(Math.min(99, this.limits.link)),
      "t/".repeat(Math.min(1000, this.limits.link >> 1)),
    ]);
  }

  #xattrs(kind: TreeNode["kind"]): Map<string, Uint8Array> {
    const { random } = this;
    const xattrs = new Map<string, Uint8Array>();
    if (random.chance(0.7)) return xattrs;
    const value = () =>
      random.pick([random.bytes(1), random.bytes(random.below(300)), new Uint8Array([10, 0, 61])]);
    const isOfUsers = kind === "file" || kind === "directory";
    if (isOfUsers && random.chance(0.6)) xattrs.set("user.one", value());
    if (isOfUsers && random.chance(0.3)) xattrs.set(`user.${"x".repeat(200)}`, value());
    if (random.chance(0.5)) xattrs.set("trusted.of-any-file", value());
    if (kind === "file" && random.chance(0.5)) xattrs.set("security.capability", CAPABILITY);
    return xattrs;
  }
}

function removeBelow(tree: Tree, path: ByteString): void {
  for (const other of tree.keys()) if (other === path || other.startsWith(`${path}/`)) tree.delete(other);
}

function ordered(tree: Tree): Tree {
  return new Map([...tree].sort(([a], [b]) => a < b ? -1 : 1));
}

const parentOf = (path: ByteString) => path.slice(0, Math.max(0, path.lastIndexOf("/")));
const nameOf = (path: ByteString) => path.slice(path.lastIndexOf("/") + 1);
const inside = (folder: ByteString, name: ByteString) => folder === "" ? name : `${folder}/${name}`;

/** Longer paths do not fit into ustar as what a hard link leads to. */
const LONGEST_MARK_LINK = 90;

/** Whiteouts longer than a name may be can be in a tar, but no program can make them of files. */
const LONGEST_HIDDEN = 255 - ".wh.".length;

/**
 * The layer that turns one tree into another (OCI image-spec, layer.md): what is new or changed, with the directories that it is
 * in, and whiteouts for what is gone. Some directories are made opaque instead, and all that is in them repeated.
 * @param after what is repeated becomes another node in it too: a file of its own
 */
export function layerBetween(before: Tree, after: Tree, random: Random): Tree {
  const layer: Tree = new Map();
  // some are hard links of each other, as older programs wrote them
  const whiteout: TreeNode = {
    ...after.get("")!,
    kind: "file",
    mode: random.pick([0, 0o644]),
    xattrs: new Map(),
    size: 0,
    pieces: [],
  };
  const put = (path: ByteString, node: TreeNode) => {
    for (let above = path; above !== "";) {
      above = parentOf(above);
      layer.set(above, after.get(above)!);
    }
    layer.set(path, node);
  };
  const gone = [...before.keys()].filter((path) =>
    !after.has(path) && after.get(parentOf(path))?.kind === "directory"
  );
  const tooLong = gone.filter((path) => nameOf(path).length > LONGEST_HIDDEN).map(parentOf);
  const folders = [...after].filter(([path, { kind }]) => path !== "" && kind === "directory").map(([path]) =>
    path
  );
  const opaque = new Set([...folders.filter(() => random.chance(0.12)), ...tooLong]);
  const isHidden = (path: ByteString) =>
    [...opaque].some((folder) => folder === "" ? path !== "" : path.startsWith(`${folder}/`));
  const copies = new Map<TreeNode, TreeNode>();
  for (const [path, node] of after) {
    if (before.get(path) !== node) {
      put(path, node);
    } else if (isHidden(path)) {
      const copy = copies.get(node) ?? { ...node };
      copies.set(node, copy);
      after.set(path, copy);
      put(path, copy);
    }
  }
  const mark = (path: ByteString) =>
    put(path, random.chance(0.3) && path.length < LONGEST_MARK_LINK ? whiteout : { ...whiteout });
  for (const folder of opaque) mark(inside(folder, ".wh..wh..opq"));
  for (const path of gone) {
    if (isHidden(path) && (nameOf(path).length > LONGEST_HIDDEN || random.chance(0.7))) continue;
    mark(inside(parentOf(path), `.wh.${nameOf(path)}`));
  }
  // directories may have become copies after they were put
  for (const path of layer.keys()) if (after.has(path)) layer.set(path, after.get(path)!);
  return ordered(layer);
}
