import { isAtLeast, parseRelease } from "../kernel_release.ts";
import type { Facts } from "./facts.ts";
import { broken, type Finding, limited, obstacleOf, unseen, works } from "./finding.ts";

const MIB = 2 ** 20;
/** Less than an image of a distribution. */
const LITTLE = 200 * MIB;
/** Less than a small image has files. */
const FEW_FILES = 1000;

/** The first Linux that mounts EROFS from plain files. */
const MOUNTS_FILES = [6, 12] as const;

const CHOOSE = "choose another place with --root DIR";

/** Where images and containers are kept, and how they are mounted. */
export function judgeStorage(facts: Facts): Finding[] {
  return [place(facts), room(facts), overlay(facts), images(facts), idmapped(facts)];
}

function place({ state: { path, nearest, type, options, mountPoint, isWritable }, user }: Facts): Finding {
  const check = "storage.place";
  const text = `${path}, on ${type ?? "a file system that cannot be seen"}`;
  if (isWritable) {
    const hidden = options.filter((option) => ["noexec", "nodev", "nosuid"].includes(option));
    return works(
      check,
      hidden.length === 0 ? text : `${text} (${hidden.join(", ")}: of no effect in containers)`,
    );
  }
  const reason = `${nearest} cannot be written to`;
  if (user.uid !== 0) return broken(check, `${text}; ${reason} by this user`, { mend: CHOOSE });
  return broken(check, `${text}; ${reason}`, {
    mend: options.includes("ro") ? `mount -o remount,rw ${mountPoint}` : CHOOSE,
  });
}

function room({ state: { nearest, free, freeFiles } }: Facts): Finding {
  const check = "storage.room";
  if (free === undefined) return unseen(check, `${nearest} does not tell how much is free`);
  const text = `${Math.floor(free / MIB)} MiB free${
    freeFiles === undefined ? "" : `, for ${freeFiles} files`
  }`;
  return free < LITTLE || (freeFiles !== undefined && freeFiles < FEW_FILES)
    ? limited(check, `only ${text}`, {
      instead: "small images only",
      mend: `make room in ${nearest}, or ${CHOOSE}`,
    })
    : works(check, text);
}

function overlay({ overlay, state: { nearest, type } }: Facts): Finding {
  const check = "storage.overlay";
  if (overlay === undefined) {
    return unseen(check, "only root can try it; rootless.overlay tells of this user's");
  }
  const why = obstacleOf(overlay);
  if (why === undefined) return works(check, `can be mounted on ${nearest}`);
  return broken(check, `cannot be mounted on ${nearest}, which is ${type ?? "unknown"} (${why})`, {
    mend: why.includes("ENODEV") ? "modprobe overlay" : `${CHOOSE}, on ext4, xfs, btrfs or tmpfs`,
  });
}

function images({ erofs, loop, release, user }: Facts): Finding {
  const check = "storage.images";
  if (user.uid !== 0) return works(check, "unpacked, as an ordinary user's are: only root can mount EROFS");
  if (erofs === undefined) return unseen(check, "only root can try to mount them");
  const why = obstacleOf(erofs);
  if (why === undefined) return works(check, "mounted where they lie, without unpacking (EROFS)");
  const mend = why.includes("ENODEV")
    ? "modprobe erofs"
    : isAtLeast(parseRelease(release), MOUNTS_FILES)
    ? `${CHOOSE}, on ext4, xfs or btrfs`
    : "start Linux 6.12 or later";
  const text = `EROFS cannot be mounted from files on Linux ${release} (${why})`;
  return loop === "works"
    ? limited(check, text, { instead: "loop devices are used", mend })
    : limited(check, text, { instead: "images are unpacked, once", mend });
}

function idmapped({ idmapped, state: { nearest } }: Facts): Finding {
  const check = "storage.idmapped";
  if (idmapped === undefined) return unseen(check, "only root can try it");
  const why = obstacleOf(idmapped);
  return why === undefined
    ? works(check, `${nearest} can be mounted with other owners`)
    : limited(check, `${nearest} cannot be mounted with other owners (${why})`, {
      instead: "containers with --userns auto get copies of their images",
    });
}
