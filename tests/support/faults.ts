import { assert } from "@std/assert";

/** More steps than any command of dhow's has. */
const FAR = 2000;

/**
 * Has dhow kill itself after its first step, its second, and so on (DHOW_FAULT), until it comes to its end.
 * @param least how many steps there are at least: else nothing was tried
 * @param attempt does that for one step, and sees that all is well; returns whether dhow was killed
 */
export async function killedAtEach(
  least: number,
  attempt: (step: number) => Promise<boolean>,
): Promise<void> {
  for (let step = 1; step < FAR; step++) {
    if (await attempt(step)) continue;
    assert(step > least, `only ${step - 1} steps`);
    return;
  }
  throw new Error(`dhow was killed ${FAR} times`);
}
