import { type Host, REPOSITORY, type RunningInHost } from "./host.ts";
import { archive, sha256 } from "./image.ts";
import { busyboxLayer } from "./images.ts";

/** Who may log in where a registry wants that. */
export const USER = "ann";
export const PASSWORD = "se cret:1";

/** Where the registry of a test is reached, in its host. */
export const ADDRESS = "127.0.0.1:5000";

const TOKEN_PORT = 5080;

/** This machine's CPU and another one, as images call them. */
export const ARCHITECTURES = Deno.build.arch === "aarch64"
  ? ["arm64", "amd64"] as const
  : ["amd64", "arm64"] as const;

export interface RegistryOptions {
  readonly auth?: "basic" | "token";
  /** Whether it has the certificate that makeAuthority made. */
  readonly tls?: boolean;
  /** Where it listens, if not at ADDRESS alone. */
  readonly address?: string;
}

/** A real docker-registry of the host, at ADDRESS. */
export class TestRegistry implements AsyncDisposable {
  private constructor(readonly host: Host, readonly processes: readonly RunningInHost[]) {}

  static async start(host: Host, options: RegistryOptions = {}): Promise<TestRegistry> {
    const processes: RunningInHost[] = [];
    if (options.auth === "token") processes.push(await startTokenServer(host));
    const path = await host.write("registry.json", JSON.stringify(await configuration(host, options)));
    const registry = host.spawn(["docker-registry", "serve", path]);
    processes.push(registry);
    await registry.stderr.until(/listening on/);
    return new TestRegistry(host, processes);
  }

  /** What the token server was asked, so far. */
  get tokenRequests(): string[] {
    return this.processes[0]!.stdout.text.trim().split("\n").slice(1);
  }

  /** Puts an archive of docker save into it, with skopeo. @param name `app:1` */
  async put(archive: string, name: string, ...options: string[]): Promise<void> {
    const target = `docker://${ADDRESS}/${name}`;
    await this.host.succeed([
      "skopeo",
      "copy",
      "--quiet",
      "--dest-tls-verify=false",
      ...options,
      archive.includes(":") ? archive : `docker-archive:${archive}`,
      target,
    ]);
  }

  /**
   * Puts images for several CPUs into it, and a manifest list of them as NAME:latest. Their program is busybox for this machine,
   * whatever they say; the file /for says what that is.
   */
  async putVariants(name: string, architectures: readonly string[]): Promise<void> {
    const type = "application/vnd.docker.distribution.manifest.v2+json";
    const manifests = [];
    for (const architecture of architectures) {
      const layers = [busyboxLayer(), [{ path: "for", content: architecture }]];
      const path = await this.host.write("variant.tar", archive({ layers, architecture }));
      await this.put(path, `${name}:${architecture}`);
      const url = `http://${ADDRESS}/v2/${name}/manifests/${architecture}`;
      const { bytes } = await this.host.run(["curl", "-sSf", "-H", `Accept: ${type}`, url]);
      const platform = { os: "linux", architecture };
      manifests.push({ mediaType: type, size: bytes.length, digest: `sha256:${sha256(bytes)}`, platform });
    }
    const mediaType = "application/vnd.docker.distribution.manifest.list.v2+json";
    const index = JSON.stringify({ schemaVersion: 2, mediaType, manifests });
    const url = `http://${ADDRESS}/v2/${name}/manifests/latest`;
    const header = `Content-Type: ${mediaType}`;
    await this.host.succeed(["curl", "-sSf", "-X", "PUT", "-H", header, "-d", index, url]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const process of this.processes) await process[Symbol.asyncDispose]();
  }
}

/** A JSON document is YAML as well. */
async function configuration(
  host: Host,
  { auth, tls, address = ADDRESS }: RegistryOptions,
): Promise<unknown> {
  if (auth === "basic") {
    await host.shell(`htpasswd -Bbn ${USER} '${PASSWORD}' >${host.file("htpasswd")}`);
  }
  return {
    version: "0.1",
    log: { accesslog: { disabled: true } },
    storage: { filesystem: { rootdirectory: host.file("registry") }, delete: { enabled: true } },
    http: {
      addr: address,
      // uploads go on where they began, behind a proxy too
      relativeurls: true,
      ...(tls ? { tls: { certificate: host.file("server.crt"), key: host.file("server.key") } } : {}),
    },
    ...(auth === "basic" ? { auth: { htpasswd: { realm: "test", path: host.file("htpasswd") } } } : {}),
    ...(auth === "token"
      ? {
        auth: {
          token: {
            realm: `http://127.0.0.1:${TOKEN_PORT}/token`,
            service: "test registry",
            issuer: "test issuer",
            rootcertbundle: host.file("token.crt"),
          },
        },
      }
      : {}),
  };
}

async function startTokenServer(host: Host): Promise<RunningInHost> {
  const [key, certificate] = [host.file("token.key"), host.file("token.crt")];
  await host.shell(
    `openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=token -keyout ${key} -out ${certificate}`,
  );
  const server = spawnScript(host, "token_server.ts", key, certificate, `${TOKEN_PORT}`, USER, PASSWORD);
  await server.stdout.until(/^listening\n/);
  return server;
}

/** A CA of the host's own, and a certificate by it for 127.0.0.1. Returns the CA's. */
export async function makeAuthority(host: Host): Promise<string> {
  const sign = (name: string, extension: string) => `
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=${name} -keyout ${name}.key -out ${name}.csr
    echo '${extension}' >extension
    openssl x509 -req -in ${name}.csr -CA ca.crt -CAkey ca.key -CAcreateserial -extfile extension -out ${name}.crt`;
  await host.shell(`
    cd ${host.file("")}
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=testca -keyout ca.key -out ca.crt \\
      -addext basicConstraints=critical,CA:TRUE
    ${sign("server", "subjectAltName=IP:127.0.0.1")}`);
  return host.file("ca.crt");
}

/** What a fault proxy does to requests: the first fault that is left and matches. */
export interface Fault {
  /** A pattern for `METHOD PATH`. */
  readonly request: string;
  readonly times: number;
  readonly do:
    | {
      readonly kind: "status";
      readonly status: number;
      readonly headers?: Readonly<Record<string, string>>;
    }
    /** After so many bytes: breaks the connection, which may lose some of them; ends in order; goes silent. */
    | { readonly kind: "cut" | "short" | "hang"; readonly after: number }
    | { readonly kind: "no-range" }
    /** Changes the last byte, or adds one, or says another digest. */
    | { readonly kind: "corrupt" | "longer" | "wrong-digest" }
    /** Sends the client to the proxy's other address. */
    | { readonly kind: "redirect"; readonly to: string };
}

export const PROXY_ADDRESS = "127.0.0.1:5001";

/** A proxy before the registry that does what networks and bad registries do. Its standard output tells what was asked. */
export async function startFaultProxy(host: Host, faults: readonly Fault[]): Promise<RunningInHost> {
  const proxy = spawnScript(
    host,
    "fault_proxy.ts",
    PROXY_ADDRESS,
    `http://${ADDRESS}`,
    JSON.stringify(faults),
  );
  await proxy.stdout.until(/^listening\n/);
  return proxy;
}

/** Runs a script of this folder in the host, with the Deno that runs the test. */
export function spawnScript(host: Host, name: string, ...args: string[]): RunningInHost {
  return host.spawn(scriptCommand(name, args), { env: DENO_ENVIRONMENT });
}

export const DENO_ENVIRONMENT = {
  DENO_DIR: Deno.env.get("DENO_DIR") ?? `${REPOSITORY}/.toolchain/cache`,
  DENO_NO_UPDATE_CHECK: "1",
  NO_COLOR: "1",
};

export function scriptCommand(name: string, args: readonly string[]): string[] {
  const options = ["--quiet", "--no-check", "--cached-only", "-A", "--config", `${REPOSITORY}/deno.json`];
  return [Deno.execPath(), "run", ...options, `${REPOSITORY}/tests/support/${name}`, ...args];
}
