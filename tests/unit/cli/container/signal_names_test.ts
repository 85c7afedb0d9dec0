import { assertEquals } from "@std/assert";
import { signalName, signalNumber } from "../../../../src/cli/container/signal_names.ts";

Deno.test("a signal is known by its name, with or without SIG, in any case, and by its number", () => {
  for (const text of ["TERM", "SIGTERM", "term", "SigTerm", "15"]) assertEquals(signalNumber(text), 15);
  assertEquals(signalNumber("KILL"), 9);
  assertEquals(signalName("9"), "SIGKILL");
  assertEquals(signalName("hup"), "SIGHUP");
});

Deno.test("real-time signals are counted from both ends", () => {
  assertEquals(signalNumber("RTMIN"), 34);
  assertEquals(signalNumber("SIGRTMIN+3"), 37);
  assertEquals(signalNumber("RTMAX-1"), 63);
  assertEquals(signalNumber("RTMAX"), 64);
  assertEquals(signalName("RTMIN+3"), "37");
});

Deno.test("what is no signal is none", () => {
  for (
    const text of ["", "0", "65", "SIG", "NOPE", "-9", "RTMIN-1", "RTMAX+1", "RTMIN+31", "constructor", "9 "]
  ) {
    assertEquals(signalNumber(text), undefined, text);
  }
});
