import type { Command } from "./command.ts";
export const command: Command = { usage: "", summary: "", options: [], run: () => Promise.resolve(1) };
