/** Trying again what failed for a reason that may pass: a break of the connection, a busy or restarting registry. */
import type { Clock } from "../../clock.ts";
import type { DhowError } from "../../errors.ts";
import { log } from "../../log.ts";

/** How often a request is made in all. */
const MAX_ATTEMPTS = 6;
/** Before the second attempt, in ms; each further wait may be twice as long. */
const FIRST_DELAY = 500;
const LONGEST_DELAY = 15_000;
/** A registry that asks for more patience than this, in ms, is not waited for. */
const MAX_RETRY_AFTER = 120_000;

/** A failure that another attempt may not meet. */
export class TransientError extends Error {
  /**
   * @param failure what the user hears when it was the last attempt
   * @param answer what the server said, if it answered at all: how long it asks to be left alone, in ms
   */
  constructor(readonly failure: DhowError, readonly answer?: { readonly retryAfter: number | undefined }) {
    super(failure.message, { cause: failure });
  }
}

export interface RetryContext {
  readonly clock: Clock;
  /** A number from 0 to 1, below 1: Math.random. */
  readonly random: () => number;
  readonly signal: AbortSignal;
}

/**
 * Does work, and does it again while it throws a TransientError.
 * @param work gets `renew`, to be called when an attempt came so far that the next failure counts as the first again
 * @throws what the last attempt failed with; the signal's reason when it is aborted
 */
export async function withRetries<T>(
  work: (renew: () => void) => Promise<T>,
  { clock, random, signal }: RetryContext,
): Promise<T> {
  let failures = 0;
  while (true) {
    signal.throwIfAborted();
    try {
      return await work(() => failures = 0);
    } catch (error) {
      if (!(error instanceof TransientError)) throw error;
      failures++;
      const delay = retryDelay(failures, error.answer?.retryAfter, random());
      if (delay === undefined) throw error.failure;
      log.debug(`${error.failure.message}; trying again in ${Math.round(delay)} ms`);
      await clock.sleep(delay, signal);
    }
  }
}

/**
 * How long to wait before the next attempt, in ms: exponential, and scattered, so that many clients do not come back at once.
 * @param failures how many attempts have failed, 1 or more
 * @param retryAfter what the server asked for, in ms
 * @param scatter from 0 to 1
 * @returns undefined when there should be no next attempt
 */
export function retryDelay(
  failures: number,
  retryAfter: number | undefined,
  scatter: number,
): number | undefined {
  if (failures >= MAX_ATTEMPTS || (retryAfter ?? 0) > MAX_RETRY_AFTER) return undefined;
  const longest = Math.min(FIRST_DELAY * 2 ** (failures - 1), LONGEST_DELAY);
  return Math.max(longest / 2 + scatter * longest / 2, retryAfter ?? 0);
}

/**
 * The header Retry-After: seconds or a date (RFC 9110, section 10.2.3).
 * @param now in ms since 1970
 * @returns ms from now; undefined for what is neither
 */
export function parseRetryAfter(header: string | null, now: number): number | undefined {
  if (header === null) return undefined;
  if (/^\d{1,9}$/.test(header)) return Number(header) * 1000;
  const date = Date.parse(header);
  return Number.isNaN(date) ? undefined : Math.max(date - now, 0);
}
