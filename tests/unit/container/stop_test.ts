import { assertEquals } from "@std/assert";
import { awaitOwner } from "../../../src/container/stop.ts";
import { identify } from "../../../src/state/process_identity.ts";
import { within } from "../../support/eventually.ts";
import { Running } from "../../support/process.ts";
import { sampleRecord } from "./container_sample.ts";

Deno.test("who starts a container is not waited for to its end: the container is there long before", async () => {
  await using starting = new Running(["sleep", "1000"]);
  for (const status of ["created", "exited", "foreground"] as const) {
    const record = sampleRecord({ status, owner: identify(starting.pid), process: null });
    assertEquals(await within(awaitOwner(record), () => `who starts a container that is ${status}`), true);
  }
});

Deno.test("an owner that has ended is not waited for", async () => {
  const ended = { ...identify(Deno.pid), startTime: 1 };
  assertEquals(await awaitOwner(sampleRecord({ owner: ended })), false);
});
