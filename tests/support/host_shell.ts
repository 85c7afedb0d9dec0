/** A shell of the host in a terminal, and programs of containers in it. */
import { assertEquals } from "@std/assert";
import { eventually } from "./eventually.ts";
import type { Host } from "./host.ts";
import { KEYS, Terminal } from "./terminal.ts";

export const HOST_PROMPT = /# $/;
/** Of busybox's shell, which asks for the place of the cursor. */
export const PROMPT = new RegExp("/ # (\u001b\\[6n)?$");
/** The usual keys to leave a container. */
export const LEAVE = "\x10\x11";

/** @returns the terminal, and its modes before a program has it */
export async function hostShell(host: Host): Promise<{ terminal: Terminal; modes: string }> {
  const terminal = new Terminal(host, ["sh"], { rows: 30, columns: 100 });
  await terminal.see(HOST_PROMPT);
  return { terminal, modes: await terminal.modes() };
}

/** Waits until the host's shell has its terminal back. */
export async function hasModes(terminal: Terminal, modes: string): Promise<void> {
  await eventually(async () => assertEquals(await terminal.modes(), modes));
}

/** The host's shell has its terminal back, and goes on. */
export async function restored(terminal: Terminal, modes: string): Promise<void> {
  await hasModes(terminal, modes);
  await terminal.type("echo back at $(hostname)\r", /back at testhost\r\n/);
}

/** The terminal of the shell in it follows the window's size. */
export async function followsWindow(terminal: Terminal): Promise<void> {
  terminal.resize(41, 132);
  await eventually(() => terminal.type("stty size\r", /41 132\r\n/));
  terminal.resize(30, 100);
}

/** A program of the shell in it is interrupted from the keyboard. */
export async function isInterrupted(terminal: Terminal): Promise<void> {
  await terminal.type("sh -c 'echo start\"\"ed; sleep 1000'\r", /started\r\n/);
  await terminal.type(KEYS.controlC, PROMPT);
}
