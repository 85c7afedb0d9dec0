import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { unitFolder, unitName, unitText } from "../../../../src/cli/system/unit.ts";

Deno.test("the unit runs this very dhow, with its root, once after the network is there", () => {
  const text = unitText(["/usr/local/bin/dhow", "--root", "/srv/dhow"]);
  assertStringIncludes(text, '\nExecStart="/usr/local/bin/dhow" "--root" "/srv/dhow" "start" "--all"\n');
  assertStringIncludes(text, '\nExecStop="/usr/local/bin/dhow" "--root" "/srv/dhow" "stop" "--all"\n');
  assertStringIncludes(text, "\nAfter=network-online.target");
  assertStringIncludes(text, "\nWantedBy=multi-user.target\n");
});

Deno.test("what systemd would take for more than text is escaped", () => {
  const text = unitText(['/opt/a "b" 100%/dhow', "--root", "/a$HOME\\b"]);
  assert(text.includes(String.raw`ExecStart="/opt/a \"b\" 100%%/dhow" "--root" "/a$$HOME\\b" "start"`), text);
});

Deno.test("an ordinary user's unit is one of the user's own service manager", () => {
  const text = unitText(["/usr/local/bin/dhow"], true);
  assertStringIncludes(text, "\nWantedBy=default.target\n");
  assert(!text.includes("network-online"), text);
  const folder = (environment: Record<string, string>) => unitFolder(true, (name) => environment[name]);
  assertEquals(folder({ HOME: "/home/sailor" }), "/home/sailor/.config/systemd/user");
  assertEquals(folder({ HOME: "/home/sailor", XDG_CONFIG_HOME: "/conf" }), "/conf/systemd/user");
  assertEquals(unitFolder(false, () => undefined), "/etc/systemd/system");
});

Deno.test("each root has a unit of its own", () => {
  assertEquals(unitName(undefined), "dhow.service");
  assertEquals(unitName("/srv/my dhow"), "dhow-srv-my-dhow.service");
});
