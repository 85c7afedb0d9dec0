/** Ids that an administrator gives to users besides their own: /etc/subuid and /etc/subgid (subuid(5), subgid(5)). */

/** Ids of the host, from `start` on. */
export interface IdRange {
  readonly start: number;
  readonly size: number;
}

/** One line. */
export interface SubordinateIds extends IdRange {
  /** A user's name or number. */
  readonly owner: string;
}

/** @param text of one of the files. Lines that are not of their form are passed over. */
export function parseSubordinateIds(text: string): SubordinateIds[] {
  return text.split("\n").flatMap((line) => {
    const [, owner = "", start = "", size = ""] = /^([^:#]+):(\d{1,10}):(\d{1,10})$/.exec(line.trim()) ?? [];
    return owner === "" ? [] : [{ owner, start: Number(start), size: Number(size) }];
  });
}

export function belongsTo(
  { owner }: SubordinateIds,
  { name, uid }: { readonly name?: string | undefined; readonly uid: number },
): boolean {
  return owner === name || owner === String(uid);
}
