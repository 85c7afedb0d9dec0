import type { MountRequest } from "./mounts.ts";
import type { Healthcheck } from "../image/healthcheck.ts";
import type { Platform } from "../image/platform.ts";

/** What a user can choose for a container: the options of `run`. */
export interface RunOptions {
  /** What the user calls the image: a name in the store or the path of an archive. */
  readonly image: string;
  readonly pull: PullPolicy;
  /** What the image has to be for; undefined for this machine. */
  readonly platform: Platform | undefined;
  /** Whether a registry without encryption may be pulled from. */
  readonly insecure: boolean;
  /** Whether to say nothing about a pull. */
  readonly quiet: boolean;
  /** What follows IMAGE; replaces the image's Cmd when it is not empty. */
  readonly command: readonly string[];
  readonly interactive: boolean;
  readonly terminal: boolean;
  readonly name: string | undefined;
  readonly hostname: string | undefined;
  readonly network: NetworkMode;
  readonly address: string | undefined;
  readonly dns: readonly string[];
  /** Replaces the image's Entrypoint and Cmd; an empty string removes the Entrypoint. */
  readonly entrypoint: string | undefined;
  /** `NAME=value`; these win over the image's. `NAME` alone takes the variable away. */
  readonly env: readonly string[];
  readonly workingDir: string | undefined;
  readonly user: string | undefined;
  readonly userNamespace: boolean;
  /** Whether to hash the layers of an archive that is used where it lies. */
  readonly verify: boolean;
  /** Whether nobody waits for its end. */
  readonly detach: boolean;
  /** Which of its streams the command that runs it is connected with: none, if nobody waits. */
  readonly attach: readonly StreamName[];
  /** Whether it is removed when it has ended. */
  readonly remove: boolean;
  /** A name of signal(7): what asks it to end; undefined for the image's. */
  readonly stopSignal: string | undefined;
  /** Seconds that it is given then; undefined for the usual ones. */
  readonly stopTimeout: number | undefined;
  readonly labels: Readonly<Record<string, string>>;
  readonly log: LogOptions;
  readonly restart: RestartPolicy;
  /** The file that gets the container's id. */
  readonly cidFile: string | undefined;
  /** Whether an init of dhow's is its process 1. */
  readonly init: boolean;
  /** Whose processes it sees, whose System V and POSIX queues and shared memory, whose host name. */
  readonly pid: Sharing;
  readonly ipc: Sharing;
  readonly uts: Sharing;
  readonly mounts: readonly MountRequest[];
  /** How its health is checked, as far as that is not left to the image. */
  readonly healthcheck?: Healthcheck;
}

/** The streams of a program, as docker names them. */
export const STREAM_NAMES = ["stdin", "stdout", "stderr"] as const;
export type StreamName = typeof STREAM_NAMES[number];

/** When a container that has ended is started again. */
export interface RestartPolicy {
  readonly name: "no" | "on-failure" | "always" | "unless-stopped";
  /** How often at most, on failure; 0 for no bound. */
  readonly retries: number;
}

/** Whether a container has a namespace of its own, or is in the host's. */
export type Sharing = "private" | "host";

/** How a container's log is kept. */
export interface LogOptions {
  /** In bytes; a log that has reached it makes way for a new one. undefined for no bound. */
  readonly maxSize: number | undefined;
  /** How many of them are kept. */
  readonly maxFiles: number;
}

export type NetworkMode = "bridge" | "host" | "none";

/** When an image is downloaded: if the store lacks it, each time, or not at all. */
export const PULL_POLICIES = ["missing", "always", "never"] as const;
export type PullPolicy = typeof PULL_POLICIES[number];
