import { createHash } from "node:crypto";
import { Buffer } from "node:buffer";
import { OpenSslSha256 } from "../../ffi/libcrypto.ts";

/** A running SHA-256 in OCI's notation. */
export interface Digester {
  /** Takes bytes, in order; settled when their memory may be used again. */
  update(bytes: Uint8Array): Promise<void>;
  /** `sha256:...`, once all updates are settled. */
  digest(): string;
}

/** By OpenSSL on another thread, where the host has it; else by Deno, on this one. */
export function sha256(): Digester {
  const openSsl = OpenSslSha256.create();
  return openSsl === undefined ? new DenoSha256() : new ThreadedSha256(openSsl);
}

class ThreadedSha256 implements Digester {
  #tail: Promise<void> = Promise.resolve();

  constructor(readonly hash: OpenSslSha256) {}

  update(bytes: Uint8Array): Promise<void> {
    return this.#tail = this.#tail.then(() => this.hash.update(bytes));
  }

  digest(): string {
    return `sha256:${Buffer.from(this.hash.digest()).toString("hex")}`;
  }
}

class DenoSha256 implements Digester {
  readonly #hash = createHash("sha256");

  update(bytes: Uint8Array): Promise<void> {
    this.#hash.update(bytes);
    return Promise.resolve();
  }

  digest(): string {
    return `sha256:${this.#hash.digest("hex")}`;
  }
}
