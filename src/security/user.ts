import { ImageError } from "../errors.ts";

/** Who the container's program runs as. */
export interface ResolvedUser {
  readonly uid: number;
  readonly gid: number;
  /** The gid among them: a program that changes its gid must not lose a group that files are closed to (CVE-2022-36109). */
  readonly additionalGids: readonly number[];
  readonly home: string;
}

/** Ids are non-negative and fit a signed 32-bit integer, as docker and runc have it. */
const LARGEST_ID = 2 ** 31 - 1;

/** A whole decimal number and nothing else; undefined for all other text (CVE-2026-30892: no lenient parsing). */
function parseId(text: string): number | undefined {
  if (!/^(0|[1-9][0-9]{0,9})$/.test(text)) return undefined;
  const id = Number(text);
  return id <= LARGEST_ID ? id : undefined;
}

/** A number is never taken for a name, or an image could make --user 1000 its root (CVE-2016-3697). */
const looksLikeNumber = (text: string) => /^[+-]?[0-9]+$/.test(text);

interface PasswdEntry {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
}

/** passwd(5). Lines that are not of its form are passed over, as getpwnam(3) does; a NUL can be in no variable. */
function parsePasswd(text: string): PasswdEntry[] {
  return text.split(/\r?\n/).filter((line) => !line.includes("\0")).flatMap((line) => {
    const [name = "", , uidText = "", gidText = "", , home = ""] = line.split(":");
    const uid = parseId(uidText);
    const gid = parseId(gidText);
    return name === "" || uid === undefined || gid === undefined ? [] : [{ name, uid, gid, home }];
  });
}

interface GroupEntry {
  readonly name: string;
  readonly gid: number;
  readonly members: readonly string[];
}

/** group(5). */
function parseGroup(text: string): GroupEntry[] {
  return text.split(/\r?\n/).flatMap((line) => {
    const [name = "", , gidText = "", members = ""] = line.split(":");
    const gid = parseId(gidText);
    return name === "" || gid === undefined ? [] : [{ name, gid, members: members.split(",") }];
  });
}

/**
 * Finds the ids for `USER[:GROUP]`, names or numbers, in the image's own /etc/passwd and /etc/group, by docker's rules:
 * a number need not be listed; without GROUP the user's own group and memberships count; with it, only GROUP.
 *
 * @param text the image's User or the option --user; empty means root
 * @throws {ImageError} for a name that the image does not know, or a number out of range
 */
export function resolveUser(text: string, passwdText: string, groupText: string): ResolvedUser {
  const colon = text.indexOf(":");
  const userText = (colon < 0 ? text : text.slice(0, colon)) || "0";
  const wantedGroup = colon < 0 ? "" : text.slice(colon + 1);

  const number = parseId(userText);
  const entry = parsePasswd(passwdText).find(({ name, uid }) =>
    looksLikeNumber(userText) ? uid === number : name === userText
  );
  const uid = entry?.uid ?? number;
  if (uid === undefined) {
    throw new ImageError({
      what: `cannot find the user ${JSON.stringify(userText)}`,
      why: "the image's /etc/passwd does not list it",
      hint: "give a name that it lists, or a number, with --user",
    });
  }
  const groups = parseGroup(groupText);
  const home = entry?.home || "/";
  const gid = wantedGroup === "" ? entry?.gid ?? 0 : resolveGroup(wantedGroup, groups);
  const memberships = entry === undefined || wantedGroup !== ""
    ? []
    : groups.filter(({ members }) => members.includes(entry.name)).map((group) => group.gid);
  return { uid, gid, additionalGids: [...new Set([gid, ...memberships])], home };
}

/**
 * Adds the groups of --group-add to a user's, by name or number.
 * @throws {ImageError} for a name that the image does not know
 */
export function withGroups(user: ResolvedUser, wanted: readonly string[], groupText: string): ResolvedUser {
  if (wanted.length === 0) return user;
  const groups = parseGroup(groupText);
  const added = wanted.map((text) => resolveGroup(text, groups));
  return { ...user, additionalGids: [...new Set([...user.additionalGids, ...added])] };
}

function resolveGroup(text: string, groups: readonly GroupEntry[]): number {
  const number = parseId(text);
  const gid = looksLikeNumber(text) ? number : groups.find(({ name }) => name === text)?.gid;
  if (gid === undefined) {
    throw new ImageError({
      what: `cannot find the group ${JSON.stringify(text)}`,
      why: "the image's /etc/group does not list it",
      hint: "give a name that it lists, or a number",
    });
  }
  return gid;
}
