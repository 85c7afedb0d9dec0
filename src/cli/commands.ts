import type { Command } from "./command.ts";

/** A verb: known without loading the command itself. */
export interface Entry {
  readonly summary: string;
  /** For dhow itself: no list has it. */
  readonly isHidden?: boolean;
  /** Whether it does without containers and images: an ordinary user's then needs no user namespace. */
  readonly isApart?: boolean;
  load(): Promise<{ readonly command: Command }>;
}

/** Verbs about one kind of object: `dhow image ls`. */
export interface Group {
  readonly summary: string;
  readonly verbs: Readonly<Record<string, Entry>>;
  /** Other names of verbs. */
  readonly aliases: Readonly<Record<string, string>>;
}

const history: Entry = {
  summary: "Print the steps that an image was made in",
  load: () => import("./image/history.ts"),
};
const load: Entry = {
  summary: "Load images from an archive or a folder",
  load: () => import("./image/load.ts"),
};
const save: Entry = {
  summary: "Write images to an archive that docker, podman and dhow load",
  load: () => import("./save.ts"),
};
const importEntry: Entry = {
  summary: "Make an image of a tar of a file system",
  load: () => import("./import.ts"),
};
const pull: Entry = { summary: "Download an image from a registry", load: () => import("./image/pull.ts") };
const push: Entry = { summary: "Upload an image to a registry", load: () => import("./image/push.ts") };
const tag: Entry = { summary: "Give an image one more name", load: () => import("./image/tag.ts") };
const images: Entry = { summary: "List images", load: () => import("./image/list.ts") };
const remove: Entry = { summary: "Remove images, or names of them", load: () => import("./image/remove.ts") };

const image: Group = {
  summary: "Manage images",
  verbs: {
    history,
    import: importEntry,
    inspect: { summary: "Print what there is to know of images", load: () => import("./image/inspect.ts") },
    load,
    ls: images,
    prune: { summary: "Remove images that nobody uses", load: () => import("./image/prune.ts") },
    pull,
    push,
    rm: remove,
    save,
    tag,
    verify: { summary: "Hash the layers of images again", load: () => import("./image/verify.ts") },
  },
  aliases: { list: "ls", remove: "rm", rmi: "rm" },
};

const create: Entry = {
  summary: "Make a container, to be started later",
  load: () => import("./container/create.ts"),
};
const start: Entry = { summary: "Start containers", load: () => import("./container/start.ts") };
const stop: Entry = {
  summary: "Ask containers to end, and end them",
  load: () => import("./container/stop.ts"),
};
const restart: Entry = {
  summary: "Stop containers and start them again",
  load: () => import("./container/restart.ts"),
};
const kill: Entry = { summary: "Send containers a signal", load: () => import("./container/kill.ts") };
const rm: Entry = { summary: "Remove containers", load: () => import("./container/remove.ts") };
const ps: Entry = { summary: "List containers", load: () => import("./container/list.ts") };
const logs: Entry = {
  summary: "Print what a container has written",
  load: () => import("./container/logs.ts"),
};
const wait: Entry = {
  summary: "Wait until containers have ended, and print their exit codes",
  load: () => import("./container/wait.ts"),
};
const rename: Entry = {
  summary: "Give a container another name",
  load: () => import("./container/rename.ts"),
};
const pause: Entry = { summary: "Let containers stand still", load: () => import("./container/pause.ts") };
const unpause: Entry = {
  summary: "Let paused containers go on",
  load: () => import("./container/unpause.ts"),
};
const top: Entry = {
  summary: "List the processes of a container",
  load: () => import("./container/top.ts"),
};
const stats: Entry = { summary: "Show what containers use", load: () => import("./container/stats.ts") };
const port: Entry = { summary: "List published ports", load: () => import("./container/port.ts") };
const update: Entry = {
  summary: "Change how containers are kept",
  load: () => import("./container/update.ts"),
};
const events: Entry = { summary: "Print what happens, as it does", load: () => import("./system/events.ts") };
const info: Entry = { summary: "Tell about dhow on this machine", load: () => import("./system/info.ts") };
const exec: Entry = {
  summary: "Run one more command in a running container",
  load: () => import("./container/exec.ts"),
};
const attach: Entry = {
  summary: "Watch a container, and give it input",
  load: () => import("./container/attach.ts"),
};
const run: Entry = { summary: "Run a command in a new container", load: () => import("./run.ts") };

const cp: Entry = {
  summary: "Copy files between a container and the host",
  load: () => import("./container/copy.ts"),
};
const diff: Entry = {
  summary: "List what a container has changed of its image's files",
  load: () => import("./container/diff.ts"),
};

const exportEntry: Entry = {
  summary: "Write the file system of a container as a tar",
  load: () => import("./export.ts"),
};
const commit: Entry = {
  summary: "Make an image of a container's changes",
  load: () => import("./commit.ts"),
};

const container: Group = {
  summary: "Manage containers",
  verbs: {
    attach,
    commit,
    cp,
    create,
    diff,
    exec,
    export: exportEntry,
    inspect: {
      summary: "Print what there is to know of containers",
      load: () => import("./container/inspect.ts"),
    },
    kill,
    logs,
    ls: ps,
    pause,
    port,
    prune: {
      summary: "Remove containers that do not run",
      load: () => import("./container/prune.ts"),
    },
    rename,
    restart,
    rm,
    run,
    start,
    stats,
    stop,
    top,
    unpause,
    update,
    wait,
  },
  aliases: { list: "ls", ps: "ls", remove: "rm" },
};

const volume: Group = {
  summary: "Manage volumes",
  verbs: {
    create: { summary: "Make a volume", load: () => import("./volume/create.ts") },
    inspect: { summary: "Print what there is to know of volumes", load: () => import("./volume/inspect.ts") },
    ls: { summary: "List volumes", load: () => import("./volume/list.ts") },
    prune: { summary: "Remove volumes that no container has", load: () => import("./volume/prune.ts") },
    rm: { summary: "Remove volumes", load: () => import("./volume/remove.ts") },
  },
  aliases: { list: "ls", remove: "rm" },
};

const network: Group = {
  summary: "Manage networks",
  verbs: {
    connect: { summary: "Connect a container to a network", load: () => import("./network/connect.ts") },
    create: { summary: "Make a network", load: () => import("./network/create.ts") },
    disconnect: {
      summary: "Take a container out of a network",
      load: () => import("./network/disconnect.ts"),
    },
    inspect: {
      summary: "Print what there is to know of networks",
      load: () => import("./network/inspect.ts"),
    },
    ls: { summary: "List networks", load: () => import("./network/list.ts") },
    prune: { summary: "Remove networks that no container is in", load: () => import("./network/prune.ts") },
    reload: {
      summary: "Put networks in order that somebody has changed",
      load: () => import("./network/reload.ts"),
    },
    rm: { summary: "Remove networks", load: () => import("./network/remove.ts") },
  },
  aliases: { list: "ls", remove: "rm" },
};

const system: Group = {
  summary: "Manage dhow itself, and look at all that it keeps",
  verbs: {
    df: { summary: "Say what images and containers take", load: () => import("./system/df.ts") },
    events,
    info,
    install: {
      summary: "Have systemd start and stop containers with the machine",
      isApart: true,
      load: () => import("./system/install.ts"),
    },
    prune: {
      summary: "Remove containers and images that nobody uses",
      load: () => import("./system/prune.ts"),
    },
    uninstall: {
      summary: "Take back what system install has done",
      isApart: true,
      load: () => import("./system/uninstall.ts"),
    },
  },
  aliases: {},
};

/** What `dhow --help` lists, in its order. */
export const COMMANDS: Readonly<Record<string, Entry | Group>> = {
  run,
  exec,
  attach,
  create,
  start,
  stop,
  restart,
  kill,
  rm,
  ps,
  logs,
  wait,
  rename,
  pause,
  unpause,
  top,
  stats,
  port,
  update,
  cp,
  diff,
  container,
  explain: {
    summary: "Print what run would do, as a shell script that does it",
    isApart: true,
    load: () => import("./explain.ts"),
  },
  load,
  save,
  import: importEntry,
  export: exportEntry,
  commit,
  pull,
  push,
  login: { summary: "Log in to a registry", isApart: true, load: () => import("./login.ts") },
  logout: { summary: "Log out from a registry", isApart: true, load: () => import("./logout.ts") },
  images,
  image,
  inspect: { summary: "Print what there is to know of an object", load: () => import("./inspect.ts") },
  history,
  tag,
  rmi: remove,
  system,
  events,
  info,
  doctor: {
    summary: "Check whether this host can run containers",
    isApart: true,
    load: () => import("./doctor.ts"),
  },
  volume,
  network,
  recover: {
    summary: "Undo what killed commands left behind (every command does this first)",
    load: () => import("./recover.ts"),
  },
  ended: { summary: "What a monitor becomes", isHidden: true, load: () => import("./container/ended.ts") },
  resume: {
    summary: "What a process becomes that has waited to start a container again",
    isHidden: true,
    load: () => import("./container/resume.ts"),
  },
  probe: {
    summary: "What a monitor starts to look at a container's health",
    isHidden: true,
    load: () => import("./container/probe.ts"),
  },
  version: { summary: "Print dhow's version", isApart: true, load: () => import("./version.ts") },
};

/** What words of a command line stand for: a command and its name in messages, or a group. */
export type Found =
  | { readonly name: string; readonly entry: Entry; readonly rest: readonly string[] }
  | { readonly name: string; readonly group: Group; readonly rest: readonly string[] };

/** @returns undefined when there is no such command */
export function findCommand(words: readonly string[]): Found | undefined {
  const [verb = "", ...rest] = words;
  const found = own(COMMANDS, verb);
  if (found === undefined) return undefined;
  if (!("verbs" in found)) return { name: verb, entry: found, rest };
  const [second = "", ...others] = rest;
  const name = own(found.aliases, second) ?? second;
  const entry = own(found.verbs, name);
  return entry === undefined
    ? { name: verb, group: found, rest }
    : { name: `${verb} ${name}`, entry, rest: others };
}

/** An own member: "constructor" is no command. */
function own<T>(table: Readonly<Record<string, T>>, key: string): T | undefined {
  return Object.hasOwn(table, key) ? table[key] : undefined;
}
