/** What a registry's answer says: small documents, and errors (distribution-spec, "Error Codes"). */
import type { Clock } from "../../clock.ts";
import { type DhowError, HostError, ImageError } from "../../errors.ts";
import { parseRetryAfter, TransientError } from "./retry.ts";
import type { StallGuard } from "./stall.ts";

/** An error's explanation is not read beyond this. */
const MAX_ERROR_SIZE = 64 << 10;
/** Nor printed beyond this. */
const MAX_ERROR_LENGTH = 300;

/**
 * Reads the body of an answer.
 * @param limit in bytes
 * @returns undefined when it is larger
 */
export async function readBody(
  response: Response,
  limit: number,
  guard: StallGuard,
): Promise<Uint8Array | undefined> {
  const bytes = new Uint8Array(limit);
  let size = 0;
  for await (const chunk of response.body ?? []) {
    guard.touch();
    if (size + chunk.length > limit) return undefined;
    bytes.set(chunk, size);
    size += chunk.length;
  }
  return bytes.slice(0, size);
}

/** What the error of an answer is about, beside its status. */
export interface FailureContext {
  readonly what: string;
  readonly clock: Clock;
  /** How an image's name says which registry that is, for `dhow login`. */
  readonly domain: string;
  /** Whether it is a login that was tried. */
  readonly isLogin?: boolean;
  readonly guard: StallGuard;
}

/** Statuses after which another attempt may succeed. */
const PASSING: ReadonlySet<number> = new Set([408, 429, 500, 502, 503, 504]);

/**
 * The error for an answer that is not what was asked for. Reads its body.
 * @returns a TransientError when another attempt may help
 */
export async function failureOf(
  response: Response,
  context: FailureContext,
): Promise<DhowError | TransientError> {
  const { status } = response;
  const { what, clock, guard } = context;
  const said = await readBody(response, MAX_ERROR_SIZE, guard).catch(() => undefined);
  const words = errorText(said === undefined ? "" : new TextDecoder().decode(said)) ?? STATUS_WORDS[status];
  const why = `the registry answers ${status}${words === undefined ? "" : ` (${words})`}`;
  if (PASSING.has(status)) {
    const hint = status === 429 ? "wait a while, or log in" : "try again later";
    const retryAfter = parseRetryAfter(response.headers.get("retry-after"), clock.now());
    return new TransientError(new HostError({ what, why, hint }), { retryAfter });
  }
  return new ImageError({ what, why, ...hintFor(status, words, context) });
}

function hintFor(
  status: number,
  words: string | undefined,
  { domain, isLogin }: FailureContext,
): { hint?: string } {
  if (status === 401 || status === 403) {
    return {
      hint: isLogin
        ? "check the username and the password"
        : `it may not exist, or needs: dhow login ${domain}`,
    };
  }
  if (status === 404 && /^(manifest|name) unknown/.test(words ?? "")) {
    return { hint: "check the image's name and tag" };
  }
  return {};
}

const STATUS_WORDS: Readonly<Record<number, string>> = {
  401: "unauthorized",
  403: "denied",
  404: "not found",
  405: "not supported",
  429: "too many requests",
};

/** `manifest unknown: no such tag`, from the document that registries send with an error. */
function errorText(body: string): string | undefined {
  let document: unknown;
  try {
    document = JSON.parse(body);
  } catch {
    return undefined; // a proxy's page, for example
  }
  const { errors } = (document ?? {}) as { errors?: unknown };
  const [first] = Array.isArray(errors) ? errors as unknown[] : [];
  const { code, message } = (first ?? {}) as { code?: unknown; message?: unknown };
  const parts = [typeof code === "string" ? code.toLowerCase().replaceAll("_", " ") : "", message];
  // many registries' message is the code once more
  const texts = new Set(parts.filter((part) => typeof part === "string" && part !== ""));
  const text = [...texts].join(": ");
  return text === "" ? undefined : text.slice(0, MAX_ERROR_LENGTH);
}
