import { isAtLeast, parseRelease } from "../kernel_release.ts";
import { type Facts, type Namespace, NAMESPACES, NEWER_CALLS, type NewerCall } from "./facts.ts";
import { broken, type Finding, limited, obstacleOf, unseen, works } from "./finding.ts";

const OLDEST = [5, 10] as const;

/** Of Linux 5.12, and what dhow does without. All others have been there longer than dhow can do without. */
const DISPENSABLE: readonly NewerCall[] = ["mount_setattr", "clone3"];

/** CAP_SYS_ADMIN (capabilities(7)), without which nobody makes namespaces and mounts. */
const CAP_SYS_ADMIN = 1n << 21n;

/** What cannot be done without a kind of namespace; undefined when nothing can. */
const WITHOUT: Readonly<Partial<Record<Namespace, string>>> = {
  net: "only --network host works",
  user: "--userns does not work",
  time: "--timens private does not work",
};

/** Enough for any host, where an administrator has allowed none. */
const MANY_NAMESPACES = 10_000;

/** Before this, the clock cannot be right, and certificates are not valid yet. */
const EARLIEST = Date.UTC(2025, 0, 1);

/** The kernel, who dhow is, namespaces, and security modules. */
export function judgeKernel(facts: Facts): Finding[] {
  return [
    version(facts),
    calls(facts),
    user(facts),
    ...NAMESPACES.map((kind) => namespace(kind, facts)),
    seccomp(facts),
    modules(facts),
    clock(facts),
  ];
}

function version({ release, architecture }: Facts): Finding {
  const text = `Linux ${release} on ${architecture}`;
  if (isAtLeast(parseRelease(release), OLDEST)) return works("kernel.version", text);
  return broken("kernel.version", `${text} is older than Linux ${OLDEST.join(".")}`, {
    mend: "start a newer kernel",
  });
}

function calls({ calls }: Facts): Finding {
  const missing = NEWER_CALLS.filter((name) => calls[name] !== "works");
  if (missing.length === 0) return works("kernel.calls", `has ${NEWER_CALLS.join(", ")}`);
  const text = `lacks ${missing.join(", ")}`;
  return missing.every((name) => DISPENSABLE.includes(name))
    ? limited("kernel.calls", text, { instead: "dhow uses older calls" })
    : broken("kernel.calls", text, { mend: "start a newer kernel, or leave a sandbox that forbids them" });
}

function user({ user: { uid, name, capabilities, isInNamespace } }: Facts): Finding {
  if (isInNamespace === true) {
    return limited("user", "this is the root of a user namespace", {
      instead: "what an ordinary user can do",
    });
  }
  if (uid !== 0) {
    return works("user", `this is user ${name ?? uid}, whose containers run in a user namespace`);
  }
  if (capabilities === undefined) return unseen("user", "this is root; its capabilities cannot be seen");
  if ((capabilities & CAP_SYS_ADMIN) !== 0n) return works("user", "this is root, with CAP_SYS_ADMIN");
  return broken("user", "this is root without CAP_SYS_ADMIN", {
    mend: "leave the sandbox, or start it with that capability (docker: --privileged)",
  });
}

function namespace(kind: Namespace, { namespaces, limits, user, unprivileged }: Facts): Finding {
  const check = `namespace.${kind}`;
  const why = obstacleOf(namespaces[kind]);
  const limit = limits[kind];
  if (why === undefined) {
    return works(
      check,
      limit === undefined ? "can be made" : `can be made, up to ${limit} (user.max_${kind}_namespaces)`,
    );
  }
  // an ordinary user without user namespaces can make none: rootless.userns says what mends it
  if (user.uid !== 0 && obstacleOf(unprivileged) !== undefined) {
    return unseen(check, `an ordinary user cannot try it here (${why})`);
  }
  const instead = WITHOUT[kind];
  const more = {
    ...(instead === undefined ? {} : { instead }),
    ...(limit === 0 ? { mend: `sysctl -w user.max_${kind}_namespaces=${MANY_NAMESPACES}` } : {}),
  };
  const text = `cannot be made (${why})${limit === 0 ? `: user.max_${kind}_namespaces is 0` : ""}`;
  return (instead === undefined ? broken : limited)(check, text, more);
}

function seccomp({ seccompActions }: Facts): Finding {
  if (seccompActions === undefined) {
    return limited("security.seccomp", "the kernel shows no seccomp filters (/proc/sys/kernel/seccomp)", {
      instead:
        "containers start with --security-opt seccomp=unconfined only: their system calls cannot be filtered",
    });
  }
  return works("security.seccomp", `system calls can be filtered (${seccompActions.join(" ")})`);
}

function modules({ selinux, hasAppArmor }: Facts): Finding {
  const found = [
    ...(selinux === undefined ? [] : [`SELinux is ${selinux}`]),
    ...(hasAppArmor ? ["AppArmor is on"] : []),
  ];
  const text = found.length === 0 ? "neither SELinux nor AppArmor is on" : found.join(", ");
  const options = `--security-opt ${hasAppArmor ? "apparmor" : "label"}=...`;
  return works(
    "security.modules",
    found.length === 0
      ? `${text}; --security-opt apparmor=... and label=... are taken, and change nothing`
      : `${text}; dhow gives containers no labels and no profiles of its own, and refuses ${options}`,
  );
}

function clock({ now }: Facts): Finding {
  const time = new Date(now).toISOString();
  if (now >= EARLIEST) return works("clock", time);
  return limited("clock", `${time} cannot be right`, {
    instead: "certificates of registries are not valid yet, so pull and push fail",
    mend: "timedatectl set-ntp true",
  });
}
