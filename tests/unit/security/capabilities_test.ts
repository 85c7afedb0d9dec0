import { assertEquals, assertThrows } from "@std/assert";
import { UsageError } from "../../../src/errors.ts";
import {
  CAPABILITIES,
  capabilityMask,
  DEFAULT_CAPABILITIES,
  processCapabilities,
  resolveCapabilities,
} from "../../../src/security/capabilities.ts";

const LAST = 40;

function resolve(add: readonly string[], drop: readonly string[], privileged = false, last = LAST) {
  return resolveCapabilities({ add, drop, privileged }, last);
}

Deno.test("capabilities have the kernel's numbers", () => {
  assertEquals(CAPABILITIES.length, 41);
  assertEquals(capabilityMask(["CAP_CHOWN", "CAP_SYS_ADMIN", "CAP_CHECKPOINT_RESTORE"]), 0x10000200001n);
});

Deno.test("nothing asked for is docker's default", () => {
  assertEquals(capabilityMask(resolve([], [])), 0xa80425fbn);
});

Deno.test("names are taken in any case, with CAP_ and without", () => {
  const added = [...DEFAULT_CAPABILITIES, "CAP_NET_ADMIN"].toSorted();
  for (const name of ["NET_ADMIN", "net_admin", "CAP_NET_ADMIN", "cap_Net_Admin"]) {
    assertEquals(resolve([name], []).toSorted(), added);
    assertEquals(resolve([], ["cap_kill"]), resolve([], ["KILL"]));
  }
});

Deno.test("each capability is there once, in the kernel's order", () => {
  assertEquals(resolve(["SYS_TIME", "chown", "CAP_SYS_TIME"], ["all"]), ["CAP_CHOWN", "CAP_SYS_TIME"]);
});

Deno.test("what is dropped goes from the default, and what is added comes after that, whatever the options' order", () => {
  assertEquals(resolve([], ["MKNOD", "SYS_ADMIN"]), resolve([], ["MKNOD"]));
  assertEquals(resolve(["MKNOD"], ["MKNOD"]), resolve([], []));
});

Deno.test("ALL is every capability but those that are dropped, and dropping ALL leaves those that are added", () => {
  assertEquals(resolve(["ALL"], []), CAPABILITIES);
  assertEquals(resolve(["all"], ["sys_admin"]).includes("CAP_SYS_ADMIN"), false);
  assertEquals(resolve(["ALL"], ["sys_admin"]).length, 40);
  assertEquals(resolve(["ALL"], ["ALL"]), CAPABILITIES);
  assertEquals(resolve([], ["ALL"]), []);
  assertEquals(resolve(["NET_RAW"], ["ALL", "NET_RAW"]), ["CAP_NET_RAW"]);
});

Deno.test("a privileged container has all, whatever is dropped", () => {
  assertEquals(resolve([], ["ALL"], true), CAPABILITIES);
});

Deno.test("only what the kernel knows is given, and what it does not know is refused by its name", () => {
  assertEquals(resolve(["ALL"], [], false, 37).at(-1), "CAP_AUDIT_READ");
  assertEquals(resolve([], [], true, 37).length, 38);
  assertThrows(() => resolve(["BPF"], [], false, 37), UsageError, "CAP_BPF");
  assertEquals(resolve([], ["BPF"], false, 37), resolve([], []));
});

for (const name of ["CAP_NOTHING", "nothing", "", "CAP_", "CAP_ALL", "SYS_ADMIN "]) {
  Deno.test(`${JSON.stringify(name)} is no capability, neither to add nor to drop`, () => {
    assertThrows(() => resolve([name], []), UsageError, "unknown capability: ");
    assertThrows(() => resolve([], [name]), UsageError, "unknown capability: ");
  });
}

Deno.test("nothing is inheritable or ambient", () => {
  const names = ["CAP_KILL"] as const;
  assertEquals(processCapabilities(names), {
    bounding: names,
    effective: names,
    permitted: names,
    inheritable: [],
    ambient: [],
  });
});
