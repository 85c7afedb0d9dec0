import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import {
  chooseRange,
  chooseRangeOfUser,
  claimIds,
  DEFAULT_RANGE,
  findGap,
  withIds,
} from "../../../src/container/id_ranges.ts";
import { HostError } from "../../../src/errors.ts";
import { addContainer, TemporaryState } from "../state/temporary.ts";
import { OPTIONS } from "./sample.ts";

const AUTO = { uids: [], gids: [] };
const NOTHING = { uids: "", gids: "" };
const startOf = (...args: Parameters<typeof chooseRange>) => chooseRange(...args).uids[0]?.hostID;

Deno.test("the first gap that is large enough is found, in the order of the ranges", () => {
  const within = [{ start: 10, size: 10 }, { start: 100, size: 50 }];
  assertEquals(findGap(10, within, []), 10);
  assertEquals(findGap(10, within, [{ start: 19, size: 1 }]), 100);
  assertEquals(findGap(5, within, [{ start: 12, size: 2 }, { start: 0, size: 11 }]), 14);
  assertEquals(findGap(20, within, [{ start: 90, size: 20 }, { start: 115, size: 5 }]), 120);
  assertEquals(findGap(51, within, []), undefined);
  assertEquals(findGap(1, [], []), undefined);
});

Deno.test("without ranges for containers, ids come from where neither useradd nor systemd give any", () => {
  assertEquals(chooseRange(AUTO, NOTHING, []), {
    uids: [{ containerID: 0, hostID: DEFAULT_RANGE.start, size: 65536 }],
    gids: [{ containerID: 0, hostID: DEFAULT_RANGE.start, size: 65536 }],
  });
  const others = { uids: `a:${DEFAULT_RANGE.start}:10\n`, gids: `b:${DEFAULT_RANGE.start + 10}:10\n` };
  assertEquals(startOf(AUTO, others, []), DEFAULT_RANGE.start + 20);
  assertEquals(
    startOf(AUTO, others, [{ start: DEFAULT_RANGE.start, size: 70000 }]),
    DEFAULT_RANGE.start + 70000,
  );
  assert(DEFAULT_RANGE.start > 600_100_000 && DEFAULT_RANGE.start + DEFAULT_RANGE.size <= 2 ** 31);
});

Deno.test("ranges of the user containers are used, as far as users and groups have them both, and nobody else", () => {
  const given = { uids: "x:150:10\ncontainers:100:100\n", gids: "containers:120:200\n" };
  assertEquals(startOf({ ...AUTO, size: 20 }, given, []), 120);
  assertEquals(startOf({ ...AUTO, size: 35 }, given, []), 160);
  const error = assertThrows(() => chooseRange({ ...AUTO, size: 41 }, given, []), HostError);
  assertMatch(error.message, /no 41 ids in a row are free.*\/etc\/subuid/);
  assertThrows(() => chooseRange(AUTO, { ...NOTHING, uids: "containers:1:70000" }, []), HostError);
  assertMatch(
    assertThrows(() => chooseRange(AUTO, NOTHING, [DEFAULT_RANGE]), HostError).message,
    /remove other containers/,
  );
});

const IMAGE = { content: () => "of a test" };

Deno.test("ids are kept from others as long as their container is there", () => {
  using state = new TemporaryState();
  const database = state.open();
  const options = { ...OPTIONS, userNamespace: true, autoIds: AUTO };
  const make = (id: string) => {
    const made = withIds(options, database);
    addContainer(database, id);
    claimIds(database, id, made, IMAGE);
    return made.ids!.uids[0]!.hostID;
  };
  const [first, second] = [make("a"), make("b")];
  assertEquals(second, first + 65536);
  database.run("DELETE FROM containers WHERE id = 'a'");
  assertEquals([make("c"), make("d")], [first, second + 65536]);
  // explicit ones are nobody's to give away either
  database.run("DELETE FROM containers");
  addContainer(database, "e");
  const ids = { uids: [{ containerID: 0, hostID: first, size: 1 }], gids: [] };
  claimIds(database, "e", { ...OPTIONS, ids }, IMAGE);
  assertEquals(make("f"), first + 1);
});

Deno.test("who wants no ids of the container's own gets none", () => {
  assertEquals(withIds(OPTIONS), OPTIONS);
});

Deno.test("an ordinary user's container has its ids from the user's, but not the user's own", () => {
  const mappings = [{ containerID: 0, hostID: 1000, size: 1 }, {
    containerID: 1,
    hostID: 100000,
    size: 5000,
  }];
  const own = { uids: mappings, gids: mappings };
  const choose = (size: number, taken: { start: number; size: number }[] = []) =>
    chooseRangeOfUser({ ...AUTO, size }, own, taken).uids;
  assertEquals(choose(5000), [{ containerID: 0, hostID: 1, size: 5000 }]);
  assertEquals(choose(100, [{ start: 1, size: 50 }]), [{ containerID: 0, hostID: 51, size: 100 }]);
  assertMatch(assertThrows(() => choose(5001), HostError).message, /no 5001 ids.*you have 5000/);
});
