/** Writes src/security/seccomp/default_filter.ts; see scripts/make-default-filter. */
import { compileDefault } from "../../src/security/seccomp/choose.ts";
import { DEFAULT_CAPABILITIES } from "../../src/security/capabilities.ts";

const text = (cpu: "x86_64" | "aarch64") =>
  compileDefault(DEFAULT_CAPABILITIES, cpu).program
    .match(/.{1,96}/g)!.map((line) => `    "${line}",`).join("\n");

await Deno.writeTextFile(
  "src/security/seccomp/default_filter.ts",
  `/**
 * What default_profile.ts is compiled to for a container with the default capabilities, in base64: so that most starts need
 * neither the profile nor the compiler. Written by scripts/make-default-filter; a test tells when it is not up to date.
 */
export const DEFAULT_FILTERS: Readonly<Record<"x86_64" | "aarch64", readonly string[]>> = {
  x86_64: [
${text("x86_64")}
  ],
  aarch64: [
${text("aarch64")}
  ],
};
`,
);
