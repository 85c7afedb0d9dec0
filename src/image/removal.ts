/** What `rmi` may do, as docker's daemon decides it (moby, daemon/images/image_delete.go). */
import { ImageError } from "../errors.ts";
import { formatImageName, parseImageName } from "./reference.ts";

/** A container that was made from the image. */
export interface ImageUser {
  readonly id: string;
  readonly running: boolean;
}

/** What the decision is about. */
export interface RemovalSubject {
  readonly id: string;
  /** `name:tag` */
  readonly tags: readonly string[];
  /** `name@sha256:...` */
  readonly digests: readonly string[];
  readonly users: readonly ImageUser[];
}

/** What is to be done. */
export interface Removal {
  /** References that go, tags first. */
  readonly untag: readonly string[];
  /** Whether the image goes too, and what of its layers no other image has. */
  readonly removesImage: boolean;
}

/**
 * Decides what removing an image by a name of it means: taking the name away, and the image too when that was its last one.
 * A container that uses the image keeps it, also when it is stopped and the removal is forced: unlike docker's, it has no
 * reference to the layers of its own.
 *
 * @param name as the user gave it: a reference, possibly without a tag, or an id or the start of one
 * @throws {ImageError} in docker's words, when something else needs the image
 */
export function decideRemoval(subject: RemovalSubject, name: string, force: boolean): Removal {
  return isIdOf(subject.id, name) ? removeById(subject, force) : removeByName(subject, name, force);
}

/** Whether a name is an image's id, or its start. */
export function isIdOf(id: string, name: string): boolean {
  return id.startsWith(name) || id.slice(id.indexOf(":") + 1).startsWith(name);
}

const shortId = (id: string) => id.replace(/^sha256:/, "").slice(0, 12);
const repositoryOf = (reference: string) =>
  reference.includes("@")
    ? reference.slice(0, reference.indexOf("@"))
    : reference.slice(0, reference.lastIndexOf(":"));

/** Whether there is one tag at most, and the digests are of the same repository. */
function isSingle(tags: readonly string[], digests: readonly string[]): boolean {
  return tags.length <= 1 && new Set([...tags, ...digests].map(repositoryOf)).size <= 1;
}

function removeById(subject: RemovalSubject, force: boolean): Removal {
  const { id, tags, digests } = subject;
  const user = subject.users.find(({ running }) => running) ?? subject.users[0];
  if (user !== undefined) throw used(id, user);
  if (!force && !isSingle(tags, digests)) {
    throw conflict(
      `unable to delete ${shortId(id)} (must be forced)`,
      "image is referenced in multiple repositories",
    );
  }
  return { untag: [...tags, ...digests], removesImage: true };
}

function used(id: string, user: ImageUser): ImageError {
  const state = user.running ? "running" : "stopped";
  return conflict(
    `unable to delete ${shortId(id)} (cannot be forced)`,
    `image is being used by ${state} container ${shortId(user.id)}`,
  );
}

function conflict(what: string, why: string): ImageError {
  return new ImageError({ what: `conflict: ${what} - ${why}` });
}

function removeByName(subject: RemovalSubject, name: string, force: boolean): Removal {
  const { id, tags, digests, users } = subject;
  const [user] = users;
  if (!force && user !== undefined && isSingle(tags, digests)) {
    throw conflict(
      `unable to remove repository reference ${JSON.stringify(name)} (must force)`,
      `container ${shortId(user.id)} is using its referenced image ${shortId(id)}`,
    );
  }
  const parsed = parseImageName(name);
  const isDigest = parsed.digest !== undefined;
  const reference = formatImageName(parsed);
  const untag = [...tags, ...digests].filter((each) => each === reference);
  if (untag.length === 0) throw new ImageError({ what: "No such image", why: name });
  const [repository] = untag.map(repositoryOf);
  const otherTags = tags.filter((tag) => !untag.includes(tag));
  // a repository's digests go with its last tag
  if (!isDigest && !otherTags.some((tag) => repositoryOf(tag) === repository)) {
    untag.push(...digests.filter((digest) => repositoryOf(digest) === repository && !untag.includes(digest)));
  }
  const isLast = untag.length === tags.length + digests.length;
  return { untag, removesImage: isLast && user === undefined };
}
