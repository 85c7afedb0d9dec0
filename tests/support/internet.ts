import type { Host } from "./host.ts";

/** A command in the internet of a test's host (host.sh), as one of its machines; it must succeed. */
export async function insideInternet(host: Host, ...command: string[]): Promise<string> {
  const server = await host.pidOf("busybox httpd -p 203.0.113.80");
  return await host.succeed(["nsenter", "--net", "--target", `${server}`, ...command]);
}
