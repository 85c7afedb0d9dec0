import type { ImageOptions } from "./image.ts";

/** An image with something in most members of its config: what templates are tried on. */
export const RICH_IMAGE: ImageOptions = {
  layers: [[{ path: "etc/", type: "directory" }, { path: "etc/hello", content: "hello\n" }], [
    { path: "etc/more", content: "more\n" },
  ]],
  tags: ["rich:1", "team/rich:latest"],
  architecture: "amd64",
  config: {
    User: "1000:1000",
    ExposedPorts: { "53/udp": {}, "80/tcp": {} },
    Env: ["PATH=/usr/bin:/bin", "A=1", "B=two words"],
    Cmd: ["echo hi"],
    Healthcheck: { Test: ["CMD", "true"], Interval: 90e9, Timeout: 1.5e9, Retries: 3 },
    Volumes: { "/data": {}, "/var/lib/x": {} },
    WorkingDir: "/tmp",
    Entrypoint: ["sh", "-c"],
    Labels: {
      "com.example.a": "one",
      b: "two words",
      quote: 'say "hi"',
      uni: "grün ✓ 世界",
      z: "<x&y>",
    },
    StopSignal: "SIGQUIT",
    Shell: ["/bin/ash", "-c"],
  },
};
