/** A session that an ordinary docker user would type, and what of its outputs has to agree. */
import type { Output } from "./process.ts";

const PROGRAM = "trap 'exit 3' TERM; echo out; echo err >&2; while :; do sleep 0.1; done";

const HEALTH_RUN = "run -d --network none --health-cmd true --health-interval 1h --health-retries 5".split(
  " ",
);

/** What is typed after `docker` or `dhow`; the image is busybox:latest, which is there. */
export const SESSION: readonly (readonly string[])[] = [
  ["images"],
  ["images", "-q"],
  ["tag", "busybox", "mine:v1"],
  ["images", "--format", "{{.Repository}}:{{.Tag}}", "mine"], // of one image docker lists the names in any order
  ["rmi", "mine:v1"],
  ["run", "--rm", "--network", "none", "busybox", "echo", "hello"],
  ["run", "--rm", "--network", "none", "busybox", "sh", "-c", "exit 7"],
  ["run", "--rm", "--network", "none", "busybox", "no-such-program"],
  ["run", "--rm", "--network", "none", "-e", "A=1", "-w", "/tmp", "busybox", "sh", "-c", "echo $A; pwd"],
  ["run", "--no-such-option", "busybox"],
  ["ps"],
  [
    "run",
    "-d",
    "--network",
    "none",
    "--name",
    "web",
    "--label",
    "tier=front",
    "busybox",
    "sh",
    "-c",
    PROGRAM,
  ],
  ["ps"],
  ["ps", "-q"],
  ["ps", "--format", '{{.Names}} {{.Image}} {{.State}} {{.Label "tier"}}'],
  ["ps", "--filter", "label=tier=front", "--format", "{{.Names}}"],
  ["run", "-d", "--network", "none", "--name", "web", "busybox", "true"],
  ["inspect", "-f", "{{.State.Status}} {{.State.Running}} {{.State.Paused}}", "web"],
  ["inspect", "-f", "{{.Name}} {{.Path}} {{json .Args}}", "web"],
  ["inspect", "-f", "{{json .Config.Cmd}} {{json .Config.Labels}} {{json .Config.Env}}", "web"],
  [
    "inspect",
    "-f",
    "{{.HostConfig.RestartPolicy.Name}} {{.HostConfig.NetworkMode}} {{.HostConfig.AutoRemove}}",
    "web",
  ],
  [
    "inspect",
    "-f",
    "{{range $name, $net := .NetworkSettings.Networks}}{{$name}}={{$net.IPAddress}}{{end}}",
    "web",
  ],
  ["inspect", "-f", "{{.Config.Image}} {{.Image}} {{.Id}}", "web"],
  ["inspect", "-f", "{{.NoSuchField}}", "web"],
  ["inspect", "nobody"],
  ["logs", "--tail", "1", "nobody"],
  ["top", "web", "-o", "pid,args"],
  ["stats", "--no-stream", "--format", "{{.Name}} {{.PIDs}}", "web"],
  ["port", "web"],
  ["port", "web", "80"],
  ["pause", "web"],
  ["ps", "--format", "{{.Names}} {{.State}}"],
  ["pause", "web"],
  ["rm", "web"],
  ["unpause", "web"],
  ["unpause", "web"],
  ["rename", "web", "app"],
  ["rm", "app"],
  ["stop", "app"],
  ["logs", "app"],
  ["inspect", "-f", "{{.State.Status}} {{.State.ExitCode}} {{.State.Pid}}", "app"],
  ["ps", "-a", "--format", "{{.Names}} {{.State}}"],
  ["ps", "-a", "--filter", "exited=3", "--format", "{{.Names}}"],
  ["pause", "app"],
  ["top", "app"],
  ["kill", "app"],
  ["start", "app"],
  ["restart", "-t", "5", "app"],
  ["kill", "app"],
  ["wait", "app"],
  ["create", "--network", "none", "--name", "later", "busybox", "sh", "-c", "exit 4"],
  ["inspect", "-f", "{{.State.Status}} {{.State.StartedAt}}", "later"],
  ["start", "later"],
  ["wait", "later", "nobody"],
  ["rm", "app", "later", "nobody"],
  ["rm", "-f", "nobody"],
  ["ps", "-aq"],
  ["create", "--network", "none", "--name", "old", "busybox"],
  ["container", "prune", "-f"],
  ["container", "ls", "-a"],
  ["stop", "nobody"],
  ["kill", "nobody"],
  ["restart", "nobody"],
  ["run", "--network", "none", "--name", "front", "busybox", "true"],
  ["inspect", "-f", "{{.State.ExitCode}}", "front"],
  ["rm", "-f", "front"],
  ["run", "--network", "none", "--rm=false", "--name", "stays", "busybox", "sh", "-c", "echo out; exit 3"],
  ["ps", "-a", "--format", "{{.Names}} {{.State}}"],
  ["start", "-a", "stays"],
  ["logs", "stays"],
  ["run", "-a", "nothing", "busybox"],
  ["rm", "stays"],
  [
    "events",
    "--since",
    "1h",
    "--until",
    "0s",
    "-f",
    "event=die",
    "-f",
    "label=tier=front",
    "--format",
    "{{.Actor.Attributes.exitCode}}",
  ],
  ["events", "--since", "1h", "--until", "0s", "-f", "container=later", "--format", "{{.Action}}"],
  [...HEALTH_RUN, "--name", "checked", "busybox", "sleep", "1000"],
  ["ps", "--filter", "health=starting", "--format", "{{.Names}} {{.Status}}"],
  ["inspect", "-f", "{{json .State.Health}} {{json .Config.Healthcheck}} {{.Config.Healthcheck}}", "checked"],
  ["ps", "--filter", "health=well"],
  ["stop", "-t", "0", "checked"],
  ["inspect", "-f", "{{json .State.Health}}", "checked"],
  ["rm", "checked"],
  ["create", "--health-interval", "often", "busybox"],
  ["create", "--health-timeout", "1us", "busybox"],
  ["create", "--no-healthcheck", "--health-cmd", "true", "busybox"],
  ["system", "df"],
  ["system", "prune", "-f"],
  ["create", "--network", "none", "--name", "limited", "busybox"],
  ["update", "--memory", "64m", "--memory-swap", "64m", "limited"],
  ["rm", "limited"],
  ["rmi", "busybox"],
  ["image", "ls", "-q"],
  ["no-such-command"],
];

/** What agrees: the exit code, standard output without ids, times and widths, and whether anything is said of an error. */
export interface Shape {
  readonly code: number;
  readonly stdout: string;
  readonly complains: boolean;
}

export function shapeOf({ code, stdout, stderr }: Output): Shape {
  const text = stdout
    .replace(/\b[0-9a-f]{64}\b/g, "ID")
    .replace(/\b[0-9a-f]{12}\b/g, "SHORT")
    .replace(
      /(Less than a second|\d+ seconds?|About a minute|About an hour|\d+ (minutes|hours|days|weeks|months|years))/g,
      "AGE",
    )
    .replace(/\b\d+(\.\d+)?[kM]?B\b/g, "SIZE")
    .replace(/^ *\d+(?= +sh|  +sleep)/gm, "PID")
    .replace(/^PID .*sleep.*\n/gm, "") // may be there or not
    .replace(/ +/g, " ");
  return { code, stdout: text, complains: stderr !== "" };
}
