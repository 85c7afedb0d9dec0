import { formatDuration } from "../duration.ts";
import { type Healthcheck, probingOf } from "../image/healthcheck.ts";
import { commandLine } from "../plan/shell.ts";

/**
 * What a script leaves out of a container's health check, in words.
 * @param shell what runs texts: the image's SHELL
 * @returns lines; none when nothing is checked
 */
export function healthRemarks(
  healthcheck: Healthcheck | undefined,
  shell: readonly string[] | undefined,
): string[] {
  const probing = probingOf(healthcheck, shell);
  if (probing === undefined) return [];
  const { command, interval, timeout, startPeriod, retries } = probing;
  const pause = formatDuration(interval);
  const [failures, make] = retries === 1 ? ["One failure", "makes"] : [`${retries} failures on end`, "make"];
  return [
    `This script does not check the container's health. dhow does: ${pause} after the start, and again ${pause}`,
    "after each check has ended, it joins the container as dhow exec does, and runs there:",
    ...commandLine(...command).split("\n").map((line) => `  ${line}`),
    `Exit code 0 means healthy. After ${formatDuration(timeout)} a check is killed, and has failed.`,
    `${failures} ${make} the container unhealthy, and nothing else: it goes on.`,
    ...(startPeriod === 0 ? [] : [
      `Failures in its first ${formatDuration(startPeriod)} do not count, until a check succeeds.`,
    ]),
  ];
}
