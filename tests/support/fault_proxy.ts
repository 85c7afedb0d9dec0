/**
 * A proxy that does what networks and bad registries do (Fault in registry.ts):
 *
 *     fault_proxy.ts ADDRESS TARGET FAULTS
 *
 * Prints `listening`, then what it is asked, what it does to it, and each login that it is shown.
 */
import type { Fault } from "./registry.ts";

const [address, target, json] = Deno.args as [string, string, string];
const port = Number(address.split(":")[1]);
const faults = (JSON.parse(json) as Fault[]).map((fault) => ({ ...fault, left: fault.times }));

function say(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${text}\n`));
}

/** The first fault that is left and matches; it is used up by that. */
function next(request: string): Fault["do"] | undefined {
  const fault = faults.find(({ left, request: pattern }) => left > 0 && new RegExp(pattern).test(request));
  if (fault !== undefined) fault.left--;
  return fault?.do;
}

async function forward(request: Request, dropped: readonly string[] = []): Promise<Response> {
  const { pathname, search } = new URL(request.url);
  const headers = new Headers(request.headers);
  for (const name of ["host", ...dropped]) headers.delete(name);
  const { method, body } = request;
  return await fetch(`${target}${pathname}${search}`, { method, headers, body, redirect: "manual" });
}

/** The start of a body, and then nothing: an end without order, or no end. */
function stopped(response: Response, bytes: Uint8Array, after: number, isHanging: boolean): Response {
  const body = new ReadableStream<Uint8Array>({
    start: (controller) => controller.enqueue(bytes.slice(0, after)),
    async pull(controller) {
      if (isHanging) return await new Promise(() => {});
      controller.error(new Error("cut"));
    },
  }, { highWaterMark: 0 });
  return new Response(body, response);
}

/** What comes of a fault that lets the registry answer first. */
async function spoil(response: Response, fault: Fault["do"]): Promise<Response> {
  const bytes = new Uint8Array(await response.arrayBuffer());
  const headers = new Headers(response.headers);
  const init = { status: response.status, headers };
  switch (fault.kind) {
    case "cut":
    case "hang":
      return stopped(response, bytes, fault.after, fault.kind === "hang");
    case "short":
      headers.delete("content-length");
      return new Response(bytes.slice(0, fault.after), init);
    case "corrupt":
      bytes[bytes.length - 1]! ^= 1;
      return new Response(bytes, init);
    case "longer":
      headers.delete("content-length");
      return new Response(new Uint8Array([...bytes, 0]), init);
    case "wrong-digest":
      headers.set("docker-content-digest", `sha256:${"0".repeat(64)}`);
      return new Response(bytes, init);
    default:
      return new Response(bytes, init);
  }
}

async function serve(request: Request): Promise<Response> {
  const url = new URL(request.url);
  const asked = `${request.method} ${url.pathname}`;
  const fault = next(asked);
  const range = request.headers.get("range");
  const login = request.headers.has("authorization") ? " with login" : "";
  say(`${url.hostname} ${asked}${range === null ? "" : ` ${range}`}${login} ${fault?.kind ?? "ok"}`);
  if (fault === undefined) return await forward(request);
  if (fault.kind === "status") {
    await request.body?.cancel();
    return new Response("{}", { status: fault.status, ...(fault.headers ? { headers: fault.headers } : {}) });
  }
  if (fault.kind === "redirect") {
    return new Response(null, { status: 307, headers: { location: `${fault.to}${url.pathname}` } });
  }
  return await spoil(await forward(request, fault.kind === "no-range" ? ["range"] : []), fault);
}

// at all addresses: 127.0.0.2 is another host to a client
Deno.serve({ hostname: "0.0.0.0", port, onListen: () => say("listening") }, serve);
