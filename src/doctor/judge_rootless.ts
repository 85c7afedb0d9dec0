import { belongsTo, parseSubordinateIds, type SubordinateIds } from "../state/subordinate_ids.ts";
import type { Facts } from "./facts.ts";
import { broken, type Finding, installing, limited, obstacleOf, works } from "./finding.ts";

/** How many ids a container of an ordinary user wants to have, as useradd(8) gives them. */
const RANGE = 65_536;
const FIRST = 100_000;

/** What an ordinary user could do without root. */
export function judgeRootless(facts: Facts): Finding[] {
  return [userNamespaces(facts), ids(facts), mappers(facts), network(facts), overlay(facts)];
}

function userNamespaces({ unprivileged, sysctls, limits, user: { uid } }: Facts): Finding {
  const check = "rootless.userns";
  const why = obstacleOf(unprivileged);
  if (why === undefined) return works(check, "ordinary users can make user namespaces");
  const mend = sysctls["kernel/unprivileged_userns_clone"] === "0"
    ? "sysctl -w kernel.unprivileged_userns_clone=1"
    : limits.user === 0
    ? "sysctl -w user.max_user_namespaces=15000"
    : sysctls["kernel/apparmor_restrict_unprivileged_userns"] === "1"
    ? "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"
    : undefined;
  // root needs none
  return (uid === 0 ? limited : broken)(
    check,
    `ordinary users cannot use user namespaces (${why})`,
    mend === undefined ? {} : { mend },
  );
}

function ids({ user, subuid, subgid }: Facts): Finding {
  const check = "rootless.ids";
  const { uid, name } = user;
  if (uid === 0) return works(check, "root needs no ranges of /etc/subuid and /etc/subgid");
  const all = {
    "/etc/subuid": parseSubordinateIds(subuid ?? ""),
    "/etc/subgid": parseSubordinateIds(subgid ?? ""),
  };
  const isOwn = (range: SubordinateIds) => belongsTo(range, user) && range.size >= RANGE;
  const missing = Object.entries(all).filter(([, ranges]) => !ranges.some(isOwn)).map(([file]) => file);
  if (missing.length === 0) return works(check, "this user has ranges in /etc/subuid and /etc/subgid");
  const ends = Object.values(all).flat().map(({ start, size }) => start + size);
  const first = Math.max(FIRST, ...ends);
  const range = `${first}-${first + RANGE - 1}`;
  const options = missing.map((file) => `--add-${file.slice("/etc/".length)}s ${range}`);
  return limited(check, `this user has no range of ${RANGE} ids in ${missing.join(" and ")}`, {
    instead: "one user in its containers, root",
    mend: `usermod ${options.join(" ")} ${name ?? uid}`,
  });
}

function mappers({ programs, privilegedPrograms }: Facts): Finding {
  const check = "rootless.mappers";
  const both = ["newuidmap", "newgidmap"] as const;
  const missing = both.filter((name) => programs[name] === undefined);
  if (missing.length > 0) {
    return limited(check, `there is no ${missing.join(" and no ")}`, {
      instead: "ranges of /etc/subuid and /etc/subgid cannot be used",
      mend: installing("uidmap", programs),
    });
  }
  const weak = both.filter((name) => !privilegedPrograms.includes(name));
  if (weak.length === 0) return works(check, "newuidmap and newgidmap are there");
  return limited(check, `${weak.join(" and ")} may not do their work`, {
    mend: `chmod u+s ${weak.map((name) => programs[name]).join(" ")}`,
  });
}

function network({ programs, tun }: Facts): Finding {
  const check = "rootless.network";
  const found = programs.pasta ?? programs.slirp4netns;
  const why = obstacleOf(tun);
  if (found !== undefined && why !== undefined) {
    return limited(check, `${found} cannot open /dev/net/tun (${why})`, {
      instead: "an ordinary user's containers run with --network none and host only",
      mend: "modprobe tun && chmod 666 /dev/net/tun",
    });
  }
  if (found !== undefined) return works(check, found);
  return limited(check, "there is neither pasta nor slirp4netns", {
    instead: "an ordinary user's containers have no network",
    mend: installing("passt", programs),
  });
}

function overlay({ userOverlay, programs, fuse, user: { uid } }: Facts): Finding {
  const check = "rootless.overlay";
  const why = obstacleOf(userOverlay);
  if (why === undefined) return works(check, "overlay can be mounted in a user namespace");
  const text = `overlay cannot be mounted in a user namespace (${why})`;
  const newer =
    "start Linux 5.11 or later, or choose another place with --root DIR, on ext4, xfs, btrfs or tmpfs";
  const found = programs["fuse-overlayfs"];
  const closed = obstacleOf(fuse);
  if (found !== undefined && closed === undefined) {
    return limited(check, text, { instead: "fuse-overlayfs is used, which is slower", mend: newer });
  }
  const failed = uid === 0 ? limited : broken;
  if (found === undefined) {
    return failed(check, `${text}, and there is no fuse-overlayfs`, {
      mend: installing("fuse-overlayfs", programs),
    });
  }
  return failed(check, `${text}, and fuse-overlayfs cannot open /dev/fuse (${closed})`, {
    mend: "modprobe fuse && chmod 666 /dev/fuse",
  });
}
