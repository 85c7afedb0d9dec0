/** What machine an image is for (OCI image-spec, image-index.md, "platform"), and which of several is the best for one. */
import { UsageError } from "../errors.ts";

/** In Go's words, as images have it. */
export interface Platform {
  readonly os: string;
  readonly architecture: string;
  /** Of the CPU: `v7`. */
  readonly variant?: string;
}

/** Go's names of the CPUs that dhow runs on. */
const GO_ARCHITECTURES: Readonly<Record<typeof Deno.build.arch, string>> = {
  x86_64: "amd64",
  aarch64: "arm64",
};

/** What this machine runs. */
export function thisPlatform(): Platform {
  return { os: "linux", architecture: GO_ARCHITECTURES[Deno.build.arch] };
}

/** Other names of CPUs: of the kernel and of distributions (containerd's platforms package, normalizeArch). */
const ALIASES: ReadonlyMap<string, readonly [architecture: string, variant?: string]> = new Map([
  ["x86_64", ["amd64"]],
  ["x86-64", ["amd64"]],
  ["aarch64", ["arm64"]],
  ["armhf", ["arm", "v7"]],
  ["armel", ["arm", "v6"]],
  ["i386", ["386"]],
]);

/** What may stand alone: a system for this machine's CPU, or a CPU for Linux (the same package, Parse). */
const SYSTEMS: readonly string[] = ["linux"];
const ARCHITECTURES: readonly string[] = [
  "386",
  "amd64",
  "arm",
  "arm64",
  "loong64",
  "mips64le",
  "ppc64le",
  "riscv64",
  "s390x",
  ...ALIASES.keys(),
];

/**
 * Reads `os/architecture` or `os/architecture/variant`; `linux` or `arm64` alone are enough, too.
 * @throws {UsageError} when it is none of these
 */
export function parsePlatform(text: string): Platform {
  const lower = text.toLowerCase();
  if (SYSTEMS.includes(lower)) return { ...thisPlatform(), os: lower };
  const whole = ARCHITECTURES.includes(lower) ? `linux/${lower}` : lower;
  const match = /^([a-z0-9]+)\/([a-z0-9_-]+)(?:\/([a-z0-9.]+))?$/.exec(whole);
  if (match === null) {
    throw new UsageError({
      what: `cannot use ${JSON.stringify(text)} as a platform`,
      why: "it is not of the form os/architecture[/variant]",
      hint: "write linux/arm64, for example",
    });
  }
  const [, os, name, written] = match as unknown as [string, string, string, string | undefined];
  const [architecture, implied] = ALIASES.get(name) ?? [name];
  const variant = written ?? implied;
  return { os, architecture, ...(variant === undefined ? {} : { variant }) };
}

/** `linux/arm/v7` */
export function formatPlatform({ os, architecture, variant }: Platform): string {
  return [os, architecture, ...(variant === undefined ? [] : [variant])].join("/");
}

/** The variant that is meant when none is said. */
const DEFAULT_VARIANTS: ReadonlyMap<string, string> = new Map([["amd64", "v1"], ["arm", "v7"], [
  "arm64",
  "v8",
]]);

/**
 * How far an image's platform is from the one that is wanted: 0 for the same, more for older variants of the CPU, which run
 * there as well (containerd's platforms package, platformVector); undefined when it does not run there.
 */
export function distance(wanted: Platform, offered: Platform): number | undefined {
  if (wanted.os !== offered.os || wanted.architecture !== offered.architecture) return undefined;
  const [want, offer] = [wanted, offered].map(({ architecture, variant }) =>
    variant || (DEFAULT_VARIANTS.get(architecture) ?? "")
  ) as [string, string];
  if (want === offer) return 0;
  const older = versionOf(want) - versionOf(offer);
  return older >= 0 ? older : undefined;
}

/** `v7` and `7` as 7; NaN for what is no version, and so neither older nor newer than others. */
function versionOf(variant: string): number {
  return Number(variant.replace(/^v/, "") || NaN);
}

/** The first of the nearest; undefined when none runs there. */
export function choosePlatform<T extends { readonly platform: Platform }>(
  wanted: Platform,
  offers: readonly T[],
): T | undefined {
  let best: { readonly offer: T; readonly distance: number } | undefined;
  for (const offer of offers) {
    const far = distance(wanted, offer.platform);
    if (far !== undefined && (best === undefined || far < best.distance)) best = { offer, distance: far };
  }
  return best?.offer;
}
