/** The name server as a program. It takes 3 ms of a start to make one, and it is always the same: so scripts/build makes it. */
import { SERVER_USER } from "./layout.ts";
import type { NameServerSetup } from "./server.ts";

/** The setups that containers have. */
export const BUILT_SETUPS: readonly NameServerSetup[] = [true, false].map((isSteered) => ({
  isSteered,
  user: SERVER_USER,
}));

/** What scripts/lib/pack.ts has made of these, for this CPU, each by packProgram. Not there when dhow runs from its sources. */
declare const BUILT_NAME_SERVERS: readonly string[] | undefined;

/** An executable for this CPU. */
export async function nameServer(setup: NameServerSetup): Promise<Uint8Array<ArrayBuffer>> {
  const place = BUILT_SETUPS.findIndex(({ isSteered, user }) =>
    isSteered === setup.isSteered && user?.uid === setup.user?.uid && user?.gid === setup.user?.gid
  );
  const built = typeof BUILT_NAME_SERVERS === "undefined" ? undefined : BUILT_NAME_SERVERS[place];
  if (built !== undefined) return unpackProgram(built);
  return (await import("./server.ts")).nameServerProgram(setup);
}

/** Zeros that one byte can count. */
const MOST_ZEROS = 255;

/** A program as short text: nine of ten of its bytes are zero, and so each row of them becomes a zero and their number. */
export function packProgram(program: Uint8Array): string {
  const packed: number[] = [];
  for (let at = 0; at < program.length;) {
    let zeros = 0;
    while (zeros < MOST_ZEROS && program[at + zeros] === 0) zeros++;
    if (zeros > 0) packed.push(0, zeros);
    else packed.push(program[at]!);
    at += Math.max(zeros, 1);
  }
  return `${program.length} ${btoa(String.fromCharCode(...packed))}`;
}

export function unpackProgram(text: string): Uint8Array<ArrayBuffer> {
  const [length = "", base64 = ""] = text.split(" ");
  const program = new Uint8Array(Number(length));
  const packed = atob(base64);
  for (let at = 0, to = 0; at < packed.length; at++) {
    const byte = packed.charCodeAt(at);
    if (byte === 0) to += packed.charCodeAt(++at);
    else program[to++] = byte;
  }
  return program;
}
