import { HostError } from "../errors.ts";

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
];

/** An error of SQLite's, in words, if the host is to blame for it. */
export function explain(error: unknown): unknown {
  const { errcode, message } = error as { errcode?: number; message?: string };
  const problem = HOST_PROBLEMS.find(({ code, text }) =>
    errcode === undefined ? text === message : code === (errcode & 0xff)
  );
  if (problem === undefined) return error;
  return new HostError({
    what: "cannot write dhow's database",
    why: message ?? "",
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
