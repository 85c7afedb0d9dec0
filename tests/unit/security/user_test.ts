import { assertEquals, assertThrows } from "@std/assert";
import { ImageError } from "../../../src/errors.ts";
import { resolveUser, withGroups } from "../../../src/security/user.ts";

const PASSWD = [
  "root:x:0:0:root:/root:/bin/sh",
  "daemon:x:1:1::/:/sbin/nologin",
  "app:x:1000:1001:An App:/home/app:/bin/sh",
  "app:x:2000:2000:the same name again:/elsewhere:",
  "other:x:1000:3000:the same number again:/elsewhere:",
  "homeless:x:1500:1500::",
  "",
].join("\n");
const GROUP = "root:x:0:\nwheel:x:10:root,app\ndisk:x:6:app\ntwice:x:6:app\nempty:x:77:\napps:x:1001:other\n";

const resolve = (text: string, passwd = PASSWD, group = GROUP) => resolveUser(text, passwd, group);
const ids = (text: string, passwd = PASSWD, group = GROUP) => {
  const { uid, gid, additionalGids } = resolve(text, passwd, group);
  return [uid, gid, additionalGids];
};

Deno.test("nobody in particular is root, with root's groups and home", () => {
  assertEquals(resolve(""), { uid: 0, gid: 0, additionalGids: [0, 10], home: "/root" });
  assertEquals(resolve("", "", ""), { uid: 0, gid: 0, additionalGids: [0], home: "/" });
});

Deno.test("a user's name gives its ids, memberships and home", () => {
  assertEquals(resolve("app"), { uid: 1000, gid: 1001, additionalGids: [1001, 10, 6], home: "/home/app" });
});

Deno.test("a number that is listed gives that entry's group, memberships and home, too", () => {
  assertEquals(resolve("1000"), resolve("app"));
});

Deno.test("a number need not be listed", () => {
  assertEquals(resolve("4711"), { uid: 4711, gid: 0, additionalGids: [0], home: "/" });
  assertEquals(ids("2147483647", "", ""), [2147483647, 0, [0]]);
});

Deno.test("with a group, only that group counts", () => {
  assertEquals(ids("app:disk"), [1000, 6, [6]]);
  assertEquals(ids("app:4711"), [1000, 4711, [4711]]);
  assertEquals(ids("4711:wheel"), [4711, 10, [10]]);
  assertEquals(ids(":disk"), [0, 6, [6]]);
});

Deno.test("a colon without a group after it changes nothing", () => {
  assertEquals(resolve("app:"), resolve("app"));
});

Deno.test("the first entry of a name or a number counts", () => {
  assertEquals(resolve("app").uid, 1000);
  assertEquals(resolve("1000").home, "/home/app");
});

Deno.test("a user without a home has the root directory", () => {
  assertEquals(resolve("homeless").home, "/");
});

Deno.test("a user or a group that the image does not list is named in the error", () => {
  assertThrows(() => resolve("nobody"), ImageError, '"nobody"');
  assertThrows(() => resolve("app:staff"), ImageError, '"staff"');
});

for (
  const text of ["+0", "-0", "-1", "0x0", " 0", "0 ", "0\n", "00", "007", "1e3", "0.0", "1_000", "٠"]
    .concat(["2147483648", "4294967295", "4294967296", "18446744073709551616", "root ", "Root"])
) {
  Deno.test(`${JSON.stringify(text)} is neither a user's number nor a group's`, () => {
    assertThrows(() => resolve(text), ImageError, JSON.stringify(text));
    assertThrows(() => resolve(`app:${text}`), ImageError, JSON.stringify(text));
  });
}

Deno.test("a number is a number, even where the image calls another user by it", () => {
  // CVE-2016-3697: a numeric name in the image's passwd made --user 1000 root
  const passwd = "1000:x:0:0::/root:/bin/sh\n";
  assertEquals(ids("1000", passwd, ""), [1000, 0, [0]]);
  assertEquals(ids("0:10", PASSWD, "10:x:0:\n"), [0, 10, [10]]);
});

for (const text of ["+1", "-1", "007", "4294967296"]) {
  Deno.test(`${text} is no user even where the image lists one of that name`, () => {
    assertThrows(() => resolve(text, `${text}:x:0:0::/:\n`, ""), ImageError);
    assertThrows(() => resolve(`0:${text}`, "", `${text}:x:0:\n`), ImageError);
  });
}

for (
  const line of [
    "app:x::0::/:",
    "app:x:+0:0::/:",
    "app:x: 0:0::/:",
    "app:x:4294967296:0::/:",
    "app:x:0x0:0::/:",
    "app",
  ]
) {
  Deno.test(`a line ${JSON.stringify(line)} of passwd lists nobody`, () => {
    assertThrows(() => resolve("app", `${line}\n`, ""), ImageError);
  });
}

Deno.test("lines that are none of passwd's or group's are passed over", () => {
  const noise = "# comment\n\n:::::\n:x:0:0::/:\n+::::::\ngarbage\n";
  assertEquals(ids("app", noise + PASSWD, noise + GROUP), ids("app"));
});

Deno.test("lines that end as on Windows mean the same", () => {
  assertEquals(ids("app", PASSWD.replaceAll("\n", "\r\n"), GROUP.replaceAll("\n", "\r\n")), ids("app"));
});

Deno.test("a name is matched whole", () => {
  assertThrows(() => resolve("ap"), ImageError);
  assertEquals(ids("app", PASSWD, "x:x:9:application,zapp\n"), [1000, 1001, [1001]]);
});

Deno.test("groups that are added come from the image's list, or are numbers that need not be in it", () => {
  const added = (...groups: string[]) => withGroups(resolve("app"), groups, GROUP).additionalGids;
  assertEquals(added(), [1001, 10, 6]);
  assertEquals(added("empty", "12345", "wheel"), [1001, 10, 6, 77, 12345]);
  assertThrows(() => added("nobodys"), ImageError, "nobodys");
  assertThrows(() => added("-1"), ImageError);
});

Deno.test("a line of passwd with a NUL names nobody: it could be in no variable", () => {
  assertThrows(() => resolveUser("app", "app:x:1:1::/ho\0me:/bin/sh\n", ""), ImageError);
});
