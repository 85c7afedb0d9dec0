import { assertEquals, assertThrows } from "@std/assert";
import { UsageError } from "../../../src/errors.ts";
import {
  CAPABILITIES,
  capabilityMask,
  DEFAULT_CAPABILITIES,
  processCapabilities,
  resolveCapabilities,
} from "../../../src/security/capabilities.ts";

/** All up to a number. */
const upTo = (last: number) => (1n << BigInt(last + 1)) - 1n;

function resolve(add: readonly string[], drop: readonly string[], privileged = false, available = upTo(40)) {
  return resolveCapabilities({ add, drop, privileged }, available);
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

Deno.test("only what there is is given, and what is not available is refused if it is asked for by its name", () => {
  assertEquals(resolve(["ALL"], [], false, upTo(37)).at(-1), "CAP_AUDIT_READ");
  assertEquals(resolve([], [], true, upTo(37)).length, 38);
  assertThrows(() => resolve(["BPF"], [], false, upTo(37)), UsageError, "CAP_BPF");
  assertEquals(resolve([], ["BPF"], false, upTo(37)), resolve([], []));
  assertEquals(resolve([], [], false, upTo(40) & ~1n).includes("CAP_CHOWN"), false);
});

for (const name of ["CAP_NOTHING", "nothing", "", "CAP_", "CAP_ALL", "SYS_ADMIN "]) {
  Deno.test(`${JSON.stringify(name)} is no capability, neither to add nor to drop`, () => {
    assertThrows(() => resolve([name], []), UsageError, "unknown capability: ");
    assertThrows(() => resolve([], [name]), UsageError, "unknown capability: ");
  });
}

Deno.test("nothing is inheritable or ambient, and only root has what it can have at once", () => {
  const names = ["CAP_KILL"] as const;
  const rest = { bounding: names, inheritable: [], ambient: [] };
  assertEquals(processCapabilities(names, 0), { ...rest, effective: names, permitted: names });
  assertEquals(processCapabilities(names, 1000), { ...rest, effective: [], permitted: [] });
});
