// A container with a name server, where a test's process is root of a user namespace only: what it answers, and where it listens.
import { NamedContainer } from "./named_container.ts";

const endpoints = [{ names: ["web"], address: "100.100.1.5" }];
await using container = await NamedContainer.start({ user: null, endpoints });
const lines = [...await container.dig("web"), ...await container.dig("+tcp", "web")];
const { stdout } = await container.run("ss", "-Htuln");
const listening = stdout.trim().split("\n").map((line) => line.split(/\s+/)).map((fields) =>
  `${fields[0]} ${fields[4]}`
);
Deno.stdout.writeSync(new TextEncoder().encode([...lines, ...listening.sort(), ""].join("\n")));
