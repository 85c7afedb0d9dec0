import { assertEquals, assertThrows } from "@std/assert";
import { findContainer, getContainer, makeConfig } from "../../../src/container/records.ts";
import { DhowError } from "../../../src/errors.ts";
import { TemporaryState } from "../state/temporary.ts";
import { insertContainer } from "./container_sample.ts";
import { CONFIG, OPTIONS } from "./sample.ts";

const A = "a1".repeat(32);
const B = "a2".repeat(32);
const C = "c3".repeat(32);

function found(wanted: string): string {
  using state = new TemporaryState();
  const database = state.open();
  insertContainer(database, A, { name: "first" });
  insertContainer(database, B, { name: "c3c3" });
  insertContainer(database, C, { name: "a1a1" });
  return findContainer(database, wanted).id;
}

Deno.test("a container is found by its id, its name, or the start of its id", () => {
  assertEquals(found(A), A);
  assertEquals(found("first"), A);
  assertEquals(found("/first"), A);
  assertEquals(found("a2"), B);
  assertEquals(found("c"), C);
});

Deno.test("a name wins over the start of another's id, as in docker", () => {
  assertEquals(found("c3c3"), B);
  assertEquals(found("a1a1"), C);
  assertEquals(found("a1a1a"), A);
});

Deno.test("the start of several ids is refused, and so is what is neither name nor id", () => {
  assertThrows(() => found("a"), DhowError, "multiple IDs found with provided prefix: a");
  for (const wanted of ["b", "FIRST", "a%", "_", `${A}0`, "A1", "a1 "]) {
    assertThrows(() => found(wanted), DhowError, `No such container: ${wanted}`);
  }
  assertThrows(() => found(""), DhowError, "invalid container name or ID: value is empty");
});

Deno.test("a container that is gone is told in the same words", () => {
  using state = new TemporaryState();
  assertThrows(() => getContainer(state.open(), A), DhowError, `No such container: ${A}`);
});

Deno.test("what a container runs is its entrypoint and its command, the user's before the image's", () => {
  const config = { ...CONFIG, entrypoint: ["/entry"], cmd: ["image"], stopSignal: "SIGINT" };
  const command = (options: Partial<typeof OPTIONS>) =>
    makeConfig({ ...OPTIONS, ...options }, { source: "x", config }, []).command;
  assertEquals(command({}), ["/entry", "image"]);
  assertEquals(command({ command: ["mine"] }), ["/entry", "mine"]);
  assertEquals(command({ entrypoint: "sh" }), ["sh"]);
  assertEquals(command({ entrypoint: "", command: ["mine"] }), ["mine"]);
  assertEquals(makeConfig(OPTIONS, { source: "x", config }, []).stopSignal, "SIGINT");
  assertEquals(
    makeConfig({ ...OPTIONS, stopSignal: "SIGHUP" }, { source: "x", config }, []).stopSignal,
    "SIGHUP",
  );
  assertEquals(makeConfig(OPTIONS, { source: "x", config: CONFIG }, []).stopSignal, "SIGTERM");
});
