import { assert, assertEquals } from "@std/assert";
import { hiddenPaths, hidingSteps } from "../../../src/security/hidden_paths.ts";

Deno.test("all that docker hides is hidden, and nothing from a privileged container", () => {
  const { maskedPaths, readonlyPaths } = hiddenPaths(false);
  for (const path of ["/proc/kcore", "/proc/keys", "/proc/scsi", "/sys/firmware", "/proc/interrupts"]) {
    assert(maskedPaths.includes(path), path);
  }
  assertEquals(readonlyPaths, ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]);
  assertEquals(hidingSteps(hiddenPaths(true), true), []);
});

Deno.test("files are hidden by a null device, folders by an empty folder", () => {
  const steps = hidingSteps({ maskedPaths: ["/proc/acpi", "/proc/kcore"], readonlyPaths: [] }, false);
  assertEquals(steps.map((step) => step.op === "mask" && step.cover), ["folder", "hosts-null"]);
});
