/** How long a test waits for something that must happen before it says that it did not. Generous: machines can be slow. */
export const DEADLINE_MS = 30_000;

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/**
 * Tries until `attempt` no longer throws, for what the kernel or dhow does a little later and gives no event for. Throws
 * the last error when the deadline has passed.
 */
export async function eventually<T>(attempt: () => T | Promise<T>): Promise<T> {
  const deadline = Date.now() + DEADLINE_MS;
  while (true) {
    try {
      return await attempt();
    } catch (error) {
      if (Date.now() > deadline) throw error;
    }
    await sleep(20);
  }
}

/** Waits for an event, and throws when it has not come by the deadline. */
export async function within<T>(event: Promise<T>, what: () => string): Promise<T> {
  let timer: number | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`waited in vain for ${what()}`)), DEADLINE_MS);
  });
  try {
    return await Promise.race([event, late]);
  } finally {
    clearTimeout(timer);
  }
}
