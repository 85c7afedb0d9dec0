import { createHash } from "node:crypto";

/** `sha256:...` of something small that is all there (image-spec, descriptor.md). For what comes in parts: digest.ts. */
export function digestOf(content: Uint8Array | string): string {
  return `sha256:${createHash("sha256").update(content).digest("hex")}`;
}
