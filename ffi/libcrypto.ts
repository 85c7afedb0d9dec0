/**
 * SHA-256 by OpenSSL, where the host has it: twice as fast as Deno's own, and on another thread. It is never needed.
 */

/** Names of the library in OpenSSL 3 and 1.1. */
const NAMES = ["libcrypto.so.3", "libcrypto.so.1.1"];

/** sizeof(SHA256_CTX) is 112 (openssl/sha.h). */
const CONTEXT_SIZE = 128;

const DIGEST_SIZE = 32;

const SYMBOLS = {
  SHA256_Init: { parameters: ["buffer"], result: "i32" },
  SHA256_Update: { parameters: ["buffer", "buffer", "usize"], result: "i32", nonblocking: true },
  SHA256_Final: { parameters: ["buffer", "buffer"], result: "i32" },
} as const satisfies Deno.ForeignLibraryInterface;

type Symbols = Deno.DynamicLibrary<typeof SYMBOLS>["symbols"];

let opened: Symbols | null | undefined;

/** OpenSSL's functions; null when the host has none that dhow knows. */
function libcrypto(): Symbols | null {
  if (opened !== undefined) return opened;
  for (const name of NAMES) {
    try {
      opened = Deno.dlopen(name, SYMBOLS).symbols;
      return opened;
    } catch {
      // not there, or built without these functions
    }
  }
  return opened = null;
}

/** A running SHA-256 (SHA256_Init(3)). */
export class OpenSslSha256 {
  readonly #context = new Uint8Array(CONTEXT_SIZE);

  private constructor(readonly library: Symbols) {
    library.SHA256_Init(this.#context);
  }

  /** undefined when the host has no OpenSSL. */
  static create(): OpenSslSha256 | undefined {
    const library = libcrypto();
    return library === null ? undefined : new OpenSslSha256(library);
  }

  /** Takes bytes, on another thread. The next call must wait until this one is done. */
  async update(bytes: Uint8Array): Promise<void> {
    await this.library.SHA256_Update(this.#context, bytes as Uint8Array<ArrayBuffer>, BigInt(bytes.length));
  }

  digest(): Uint8Array {
    const digest = new Uint8Array(DIGEST_SIZE);
    this.library.SHA256_Final(digest, this.#context);
    return digest;
  }
}
