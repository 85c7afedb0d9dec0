import { assertEquals } from "@std/assert";
import { SYSTEM_CALLS } from "../../../../ffi/constants.ts";
import { SYSTEM_CALLS_OF } from "../../../../src/security/seccomp/system_calls.ts";
import { Libseccomp } from "../../../support/libseccomp.ts";

Deno.test("each call has a number of its own, and the newest are the same everywhere", () => {
  for (const table of Object.values(SYSTEM_CALLS_OF)) {
    const calls = table();
    assertEquals(new Set(calls.values()).size, calls.size);
    assertEquals(calls.get("pidfd_send_signal"), 424);
    assertEquals(calls.get("file_setattr"), 469);
  }
});

Deno.test("the calls that dhow makes itself have the same numbers there", () => {
  const table = SYSTEM_CALLS_OF[Deno.build.arch === "aarch64" ? "SCMP_ARCH_AARCH64" : "SCMP_ARCH_X86_64"]();
  for (const [name, number] of Object.entries(SYSTEM_CALLS)) assertEquals(table.get(name), number, name);
});

/** What came with Linux 6.7 and later, which not every libseccomp knows. */
const NEWEST = 454;

Deno.test("libseccomp has the same numbers", () => {
  using library = Libseccomp.open();
  if (library === undefined) return;
  for (const [architecture, table] of Object.entries(SYSTEM_CALLS_OF)) {
    for (const [name, number] of table()) {
      const known = library.number(architecture, name);
      // -1 is a name that it does not know, less one that it makes through another
      if (known < -1 || known === -1 && (number > NEWEST || name.endsWith("uprobe"))) continue;
      const expected = architecture === "SCMP_ARCH_X32" ? (number | 0x40000000) : number;
      if (name !== "uretprobe") assertEquals(known, expected, `${architecture} ${name}`);
    }
  }
});
