import { HostError } from "../errors.ts";

/** What to do about a database that is lost. What runs goes on without it: a monitor ends its container with itself. */
export const BEGIN_ANEW =
  "put dhow.db back, or move the whole folder away to begin anew; containers that run end with their dhow-monitor: see ps, and kill";

/**
 * What of SQLite's troubles the user can do something about: the primary result code and its text (sqlite.org/rescode.html).
 * Errors of exec() have no code.
 */
const HOST_PROBLEMS: readonly { readonly code: number; readonly text: string; readonly hint: string }[] = [
  {
    code: 5,
    text: "database is locked",
    hint: "another dhow has been holding it for a long time; try again",
  },
  {
    code: 8,
    text: "attempt to write a readonly database",
    hint: "see that its folder can be written to, or choose another with --root DIR",
  },
  { code: 10, text: "disk I/O error", hint: "see the last lines of: dmesg" },
  {
    code: 13,
    text: "database or disk is full",
    hint: "free some space, or choose another place with --root DIR",
  },
  { code: 11, text: "database disk image is malformed", hint: BEGIN_ANEW },
  { code: 26, text: "file is not a database", hint: BEGIN_ANEW },
];

/** What the host is to blame for of an error of SQLite's; undefined for what it is not. */
export function problemOf(error: unknown) {
  const { errcode, message } = error as { errcode?: number; message?: string };
  return HOST_PROBLEMS.find(({ code, text }) =>
    errcode === undefined ? text === message : code === (errcode & 0xff)
  );
}

/** An error of SQLite's, in words, if the host is to blame for it. */
export function explain(error: unknown): unknown {
  const problem = problemOf(error);
  if (problem === undefined) return error;
  return new HostError({
    what: "cannot write dhow's database",
    why: (error as Error).message,
    hint: problem.hint,
    cause: error,
  });
}

/** Runs `work`. @throws {HostError} when the host is to blame for an error of SQLite's in it */
export function explained<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw explain(error);
  }
}
