import type { Database } from "../state/database.ts";
import { TakenError, UsageError } from "../errors.ts";
import { readKernelFile } from "../state/read.ts";

const ADJECTIVES =
  "brave bright broad calm clear deft eager early fair fleet free fresh keen kind light lively lucky neat nimble proud quick quiet ready steady stout strong swift trim true warm"
    .split(" ");
const VESSELS =
  "baghla barque boom brig caique canoe caravel clipper coble cog cutter dory felucca frigate galleon gondola jangada junk ketch knarr lugger pinnace prau punt sambuk schooner skiff sloop xebec yawl"
    .split(" ");

/**
 * 64 hexadecimal digits, as docker's ids are: 244 random bits of the kernel's (random(4)). Web Crypto gives the same, but
 * its first use costs a millisecond.
 */
export function newId(): string {
  const uuid = () => readKernelFile("/proc/sys/kernel/random/uuid").trim().replaceAll("-", "");
  const id = uuid() + uuid();
  // the short id becomes the host name, and one of digits alone would be taken for an address
  return /^[0-9]{12}/.test(id) ? newId() : id;
}

const NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/;

/**
 * A container's name as a user writes it: docker allows a slash before it.
 * @throws {UsageError} when docker would not take it
 */
export function parseName(text: string): string {
  const name = text.replace(/^\//, "");
  if (!NAME.test(name)) {
    throw new UsageError({
      what: `cannot use the name ${JSON.stringify(text)}`,
      why: "a name has two or more of a-z A-Z 0-9 _ . - and begins with a letter or digit",
    });
  }
  return name;
}

function isTaken(database: Database, name: string): boolean {
  return database.get("SELECT 1 FROM containers WHERE name = ?", name) !== undefined;
}

/**
 * The wanted name, or one that dhow makes up. Must run inside the transaction that takes it.
 * @throws {TakenError} when another container has it
 */
export function settleName(database: Database, wanted: string | undefined): string {
  if (wanted !== undefined) {
    if (!isTaken(database, wanted)) return wanted;
    throw new TakenError({
      what: `cannot use the name "${wanted}"`,
      why: "a container has it",
      hint: "choose another with --name, or leave --name out",
    });
  }
  const pick = (words: readonly string[]) => words[Math.floor(Math.random() * words.length)] as string;
  for (let attempt = 0;; attempt++) {
    const name = `${pick(ADJECTIVES)}_${pick(VESSELS)}${attempt === 0 ? "" : attempt}`;
    if (!isTaken(database, name)) return name;
  }
}
