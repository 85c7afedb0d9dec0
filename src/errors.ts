/** Exit codes of dhow's own, as docker has them. */
export const EXIT_OWN_FAILURE = 125;
export const EXIT_NOT_EXECUTABLE = 126;
export const EXIT_NOT_FOUND = 127;

/** What went wrong, in the order in which a reader needs it. */
export interface Explanation {
  /** The action that failed and what it was done to, without a capital or a period: `cannot open "a.tar"`. */
  readonly what: string;
  /** Why: `no such file or directory (ENOENT)`. */
  readonly why?: string;
  /** What the user can do: `load the module with: modprobe overlay`. */
  readonly hint?: string;
  readonly cause?: unknown;
}

/**
 * An error that a user can act on. Everything else that reaches the top is a bug in dhow. Prints as
 * `what: why; hint`.
 */
export class DhowError extends Error {
  override readonly name: string = "DhowError";
  /** dhow's exit code when this error ends a `run`; other commands exit with 1, as docker's do. */
  readonly exitCode: number = EXIT_OWN_FAILURE;

  constructor({ what, why, hint, cause }: Explanation) {
    super(`${what}${why === undefined ? "" : `: ${why}`}${hint === undefined ? "" : `; ${hint}`}`, { cause });
  }
}

/** The command line is wrong. */
export class UsageError extends DhowError {
  override readonly name: string = "UsageError";
}

/** An option that there is not, or one with a value that cannot be its: the same exit code for all commands, docker's too. */
export class OptionError extends UsageError {
  override readonly name = "OptionError";
}

/** The host lacks something: a privilege, a program, a kernel feature, space. */
export class HostError extends DhowError {
  override readonly name = "HostError";
}

/** An archive, an image or a layer is missing, damaged or not what it says it is. */
export class ImageError extends DhowError {
  override readonly name = "ImageError";
}

/** A link of an image leads to nothing where something is to be mounted. */
export class MissingTargetError extends ImageError {}

/** A name or an address that is already in use. */
export class TakenError extends DhowError {
  override readonly name = "TakenError";
}

/** The program of the container could not be started. */
export class CommandError extends DhowError {
  override readonly name = "CommandError";
  constructor(explanation: Explanation, override readonly exitCode: number) {
    super(explanation);
  }
}

/** What went wrong, in words: one message for each of several errors that were collected. */
export function messagesOf(error: unknown): string[] {
  const causes: unknown[] = error instanceof AggregateError ? error.errors : [error];
  return causes.map((cause) => cause instanceof Error ? cause.message : String(cause));
}
