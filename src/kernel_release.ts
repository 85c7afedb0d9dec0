/** Versions of the kernel, as its release tells them. */

/** `5.19`: version and revision. */
export type KernelVersion = readonly [version: number, revision: number];

/** @param release as uname(2) has it: `6.1.0-18-amd64`; 0.0 for one that is none */
export function parseRelease(release: string): KernelVersion {
  const [, version = "0", revision = "0"] = /^(\d+)\.(\d+)/.exec(release) ?? [];
  return [Number(version), Number(revision)];
}

/** Whether a version is not older than another. */
export function isAtLeast(
  [version, revision]: KernelVersion,
  [least, leastRevision]: KernelVersion,
): boolean {
  return version > least || (version === least && revision >= leastRevision);
}
