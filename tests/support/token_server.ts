/**
 * A token service for docker-registry (docs.docker.com/registry/spec/auth/token):
 *
 *     token_server.ts KEY CERTIFICATE PORT USER PASSWORD
 *
 * The user may do everything, others may read what lies below public/. Prints `listening`, then what is asked of it.
 */
import { Buffer } from "node:buffer";
import { createPrivateKey, sign } from "node:crypto";

const [keyFile, certificateFile, port, user, password] = Deno.args as [
  string,
  string,
  string,
  string,
  string,
];
const key = createPrivateKey(Deno.readTextFileSync(keyFile));
const certificate = Deno.readTextFileSync(certificateFile).replace(/-----[^-]+-----|\s/g, "");
const IDENTITY = "identity-of-ann";

function say(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${text}\n`));
}

function jwt(subject: string, access: unknown): string {
  const now = Math.floor(Date.now() / 1000);
  const header = { typ: "JWT", alg: "RS256", x5c: [certificate] };
  const claims = {
    iss: "test issuer",
    sub: subject,
    aud: "test registry",
    exp: now + 60,
    nbf: now - 60,
    iat: now,
    jti: crypto.randomUUID(),
    access,
  };
  const text = [header, claims].map((part) => Buffer.from(JSON.stringify(part)).toString("base64url")).join(
    ".",
  );
  const signature = sign("sha256", Buffer.from(text), key);
  return `${text}.${signature.toString("base64url")}`;
}

function answer(subject: string, scopes: readonly string[], isForLogin: boolean): Response {
  const access = scopes.flatMap((scope) => {
    const [type, name = "", actions = ""] = scope.split(":");
    const allowed = actions.split(",").filter((action) =>
      subject === user || (action === "pull" && name.startsWith("public/"))
    );
    return allowed.length === 0 ? [] : [{ type, name, actions: allowed }];
  });
  return Response.json({
    token: jwt(subject, access),
    ...(isForLogin ? { refresh_token: IDENTITY } : {}),
  });
}

async function serve(request: Request): Promise<Response> {
  const { searchParams } = new URL(request.url);
  if (request.method === "POST") {
    const form = new URLSearchParams(await request.text());
    say(`POST ${form.get("grant_type")} ${form.get("scope")}`);
    if (form.get("refresh_token") !== IDENTITY) return new Response("{}", { status: 401 });
    return answer(user, (form.get("scope") ?? "").split(" "), false);
  }
  const authorization = request.headers.get("authorization");
  const scopes = searchParams.getAll("scope");
  say(`GET ${searchParams.get("account")} ${scopes.join(" ")}`);
  const expected = `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`;
  if (authorization !== null && authorization !== expected) return new Response("{}", { status: 401 });
  return answer(authorization === null ? "" : user, scopes, searchParams.has("offline_token"));
}

Deno.serve({ hostname: "127.0.0.1", port: Number(port), onListen: () => say("listening") }, serve);
