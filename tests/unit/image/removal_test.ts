import { assertEquals, assertThrows } from "@std/assert";
import { ImageError } from "../../../src/errors.ts";
import { decideRemoval, isIdOf, type RemovalSubject } from "../../../src/image/removal.ts";

const ID = `sha256:${"a".repeat(64)}`;
const D = `@sha256:${"d".repeat(64)}`;
const RUNNING = [{ id: "c".repeat(64), running: true }];
const STOPPED = [{ id: "e".repeat(64), running: false }];

interface Case {
  readonly about: string;
  readonly tags?: readonly string[];
  readonly digests?: readonly string[];
  readonly users?: RemovalSubject["users"];
  readonly name: string;
  readonly force?: boolean;
  readonly untag?: readonly string[];
  readonly removesImage?: boolean;
  readonly conflict?: string;
}

const ONE = ["box:latest"];
const TWO = ["box:1", "box:latest"];
const SHORT = "aaaaaaaaaaaa";
const CASES: readonly Case[] = [
  { about: "the only name", tags: ONE, name: "box", untag: ONE, removesImage: true },
  { about: "the only name with its tag", tags: ONE, name: "box:latest", untag: ONE, removesImage: true },
  { about: "one of two names", tags: TWO, name: "box:1", untag: ["box:1"], removesImage: false },
  {
    about: "one of two names, forced",
    tags: TWO,
    name: "box:1",
    force: true,
    untag: ["box:1"],
    removesImage: false,
  },
  { about: "the id of one without names", name: SHORT, untag: [], removesImage: true },
  { about: "the whole id", tags: ONE, name: ID, untag: ONE, removesImage: true },
  {
    about: "the start of the id, with its algorithm",
    tags: ONE,
    name: "sha256:aa",
    untag: ONE,
    removesImage: true,
  },
  {
    about: "the id of one with two names",
    tags: TWO,
    name: SHORT,
    conflict:
      `conflict: unable to delete ${SHORT} (must be forced) - image is referenced in multiple repositories`,
  },
  {
    about: "the id of one with names in two repositories",
    tags: ONE,
    digests: [`other${D}`],
    name: SHORT,
    conflict: "image is referenced in multiple repositories",
  },
  {
    about: "the id of one with two names, forced",
    tags: TWO,
    name: SHORT,
    force: true,
    untag: TWO,
    removesImage: true,
  },
  {
    about: "a name and its digest by the id",
    tags: ONE,
    digests: [`box${D}`],
    name: SHORT,
    untag: [...ONE, `box${D}`],
    removesImage: true,
  },
  {
    about: "the last tag, which takes the digests of its repository along",
    tags: ONE,
    digests: [`box${D}`, `other${D}`],
    name: "box",
    untag: ["box:latest", `box${D}`],
    removesImage: false,
  },
  {
    about: "a tag that is not the last, which leaves the digests",
    tags: TWO,
    digests: [`box${D}`],
    name: "box:1",
    untag: ["box:1"],
    removesImage: false,
  },
  {
    about: "a digest",
    tags: ONE,
    digests: [`box${D}`],
    name: `box${D}`,
    untag: [`box${D}`],
    removesImage: false,
  },
  {
    about: "a digest that is written with the registry and a tag",
    tags: ONE,
    digests: [`box${D}`],
    name: `docker.io/library/box:1${D}`,
    untag: [`box${D}`],
    removesImage: false,
  },
  { about: "the last digest", digests: [`box${D}`], name: `box${D}`, untag: [`box${D}`], removesImage: true },
  {
    about: "the name of one that runs",
    tags: ONE,
    users: RUNNING,
    name: "box",
    conflict: 'conflict: unable to remove repository reference "box" (must force) - ' +
      `container cccccccccccc is using its referenced image ${SHORT}`,
  },
  {
    about: "one of two names of one that runs",
    tags: TWO,
    users: RUNNING,
    name: "box:1",
    untag: ["box:1"],
    removesImage: false,
  },
  {
    about: "the name of one that runs, forced",
    tags: ONE,
    users: RUNNING,
    name: "box",
    force: true,
    untag: ONE,
    removesImage: false,
  },
  {
    about: "the id of one that runs, forced",
    tags: ONE,
    users: [...STOPPED, ...RUNNING],
    name: SHORT,
    force: true,
    conflict:
      `conflict: unable to delete ${SHORT} (cannot be forced) - image is being used by running container cccccccccccc`,
  },
  {
    about: "the id of one that a stopped container has",
    users: STOPPED,
    name: SHORT,
    force: true,
    conflict: "image is being used by stopped container eeeeeeeeeeee",
  },
];

for (
  const { about, tags = [], digests = [], users = [], name, force = false, untag, removesImage, conflict }
    of CASES
) {
  Deno.test(`removing ${about}: ${conflict === undefined ? "done" : "refused"} as docker does it`, () => {
    const decide = () => decideRemoval({ id: ID, tags, digests, users }, name, force);
    if (conflict !== undefined) assertThrows(decide, ImageError, conflict);
    else assertEquals(decide(), { untag: untag!, removesImage: removesImage! });
  });
}

Deno.test("a name that the image does not have removes nothing", () => {
  const subject = { id: ID, tags: ONE, digests: [], users: [] };
  assertThrows(() => decideRemoval(subject, "box:2", true), ImageError, "No such image");
});

Deno.test("an id is told from a name by its start", () => {
  assertEquals([isIdOf(ID, "aaa"), isIdOf(ID, "sha256:a"), isIdOf(ID, "box"), isIdOf(ID, "aab")], [
    true,
    true,
    false,
    false,
  ]);
});
